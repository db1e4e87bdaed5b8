// What stands over the grid as long as it is so: what is not saved, and where; what went wrong.
import { make } from "../dom";

export interface Spot {
  where: string;
  problem: string;
  go(): void;
}

const SPOTS_NAMED = 3;

export class Banner {
  readonly element = make("div", { class: "wb-banner", role: "alert", hidden: true, "data-testid": "grid-banner" });
  private said = "";

  tell(text: string, actions: [string, () => void][] = [], spots: Spot[] = []): void {
    const said = JSON.stringify([text, spots]);
    if (said === this.said) return; // what is said already is not read out again
    this.said = said;
    this.element.hidden = text === "";
    const buttons = actions.map(([label, run]) => make("button", { type: "button", class: "wb-button wb-plain wb-small", click: run }, label));
    const named = spots.slice(0, SPOTS_NAMED).map(({ where, problem, go }) =>
      make("li", {}, make("button", { type: "button", class: "wb-link", title: "Go to this cell", click: go }, where), `: ${problem}`),
    );
    const more = spots.length - named.length;
    if (more > 0) named.push(make("li", {}, `and ${more} more, marked in the grid`));
    const list = named.length > 0 && make("ul", {}, ...named);
    this.element.replaceChildren(make("div", { class: "wb-banner-text" }, text, list || ""), ...buttons);
  }
}

// A field for Markdown: typing @ offers records, whose links hold their ids; Preview shows it as it
// is read, described by Python and drawn with text as text.
import baseCss from "./base.css";
import contentCss from "./content.css";
import { type Described, draw } from "./described";
import { addStyle, dress, later, make, newId } from "./dom";
import { openRpc, type Rpc } from "./rpc";
import { unturned } from "./values";
import type { Choice, Context, Model } from "./wire";

const SEARCH_MILLISECONDS = 180;
/** What may be a name that is being typed: an @ that begins a word, and up to 40 characters. */
const TYPED = /(?<![\p{L}\p{N}_@.])@([^\s@][^@\n]{0,39})$/u;

class ProseView {
  private readonly rpc: Rpc;
  private readonly ids = { field: newId(), list: newId() };
  private readonly area: HTMLTextAreaElement;
  private readonly list = make("ul", { role: "listbox", class: "wb-choices wb-mentions", "aria-label": "Records", hidden: true });
  private readonly note = make("div", { class: "wb-unseen", role: "status" });
  private readonly shown = make("div", { class: "wb-prose-shown wb-content", hidden: true, tabindex: 0, role: "region", "aria-label": "Preview" });
  private readonly toggle: HTMLButtonElement;
  private choices: Choice[] = [];
  private at = 0;
  private asked = 0;

  constructor(private readonly model: Model, el: HTMLElement) {
    this.rpc = openRpc(model);
    const search = later(SEARCH_MILLISECONDS, () => void this.search());
    this.area = make("textarea", {
      id: this.ids.field,
      rows: 5,
      "aria-autocomplete": "list",
      "aria-controls": this.ids.list,
      input: search,
      change: () => this.keep(),
      keydown: (event: KeyboardEvent) => this.key(event),
      blur: () => this.close(),
    });
    this.list.id = this.ids.list;
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the focus stays in the field
      const item = (event.target as Element).closest("li");
      if (item) this.choose(Number(item.dataset["index"]));
    });
    this.toggle = make("button", { type: "button", class: "wb-button wb-small", "aria-pressed": "false", click: () => void this.preview() }, "Preview");
    const label = make("label", { for: this.ids.field }, model.get<string>("description"));
    const help = make("span", { class: "wb-help" }, "Markdown; @ links to a record.");
    el.append(make("div", { class: "wb-field wb-prose-field" }, make("div", { class: "wb-prose-head" }, label, help, this.toggle), this.area, this.list, this.shown, this.note));
    const show = () => this.show();
    const events = ["change:value", "change:disabled"];
    events.forEach((event) => model.on(event, show));
    this.stop = () => events.forEach((event) => model.off(event, show));
    show();
  }

  private readonly stop: () => void;

  remove(): void {
    this.stop();
    this.rpc.close();
  }

  private show(): void {
    if (this.area.value !== this.model.get<string>("value")) {
      this.area.value = this.model.get<string>("value");
      if (!this.shown.hidden) void this.render();
    }
    this.area.disabled = this.model.get<boolean>("disabled");
  }

  private keep(): void {
    this.model.set("value", this.area.value);
    this.model.save_changes();
  }

  // Preview

  private async preview(): Promise<void> {
    const reading = this.shown.hidden;
    if (reading) await this.render();
    this.shown.hidden = !reading;
    this.area.hidden = reading;
    this.toggle.textContent = reading ? "Write" : "Preview";
    this.toggle.setAttribute("aria-pressed", String(reading));
  }

  private async render(): Promise<void> {
    try {
      const nodes = await this.rpc.call<Described[]>("preview", { text: this.area.value });
      // Links lead away from what is being written: they open only as tabs of their own.
      this.shown.replaceChildren(...nodes.map((node) => draw(node)));
      if (nodes.length === 0) this.shown.textContent = "Nothing is written yet.";
    } catch (why) {
      this.shown.textContent = (why as Error).message;
    }
  }

  // Links to records

  private get typed(): string | null {
    const { selectionStart, selectionEnd, value } = this.area;
    return selectionStart === selectionEnd ? (TYPED.exec(value.slice(0, selectionStart))?.[1] ?? null) : null;
  }

  private async search(): Promise<void> {
    const term = this.typed;
    const ask = ++this.asked;
    if (!term) return this.close();
    let found: Choice[] = [];
    try {
      found = await this.rpc.call<Choice[]>("find", { term });
    } catch (why) {
      console.error((why as Error).message);
    }
    if (ask !== this.asked || term !== this.typed || document.activeElement !== this.area) return;
    if (found.length === 0) return this.close();
    this.choices = found;
    this.list.replaceChildren(
      ...found.map((choice, index) => make("li", { role: "option", id: `${this.ids.list}-${index}`, "data-index": index }, make("span", {}, unturned(choice.label)), make("small", {}, choice.detail))),
    );
    this.list.hidden = false;
    this.note.textContent = `${found.length} ${found.length === 1 ? "record" : "records"} found. Arrows choose, Enter takes one.`;
    this.move(0);
  }

  private move(to: number): void {
    this.at = (to + this.choices.length) % this.choices.length;
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.at)));
    this.area.setAttribute("aria-activedescendant", `${this.ids.list}-${this.at}`);
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    if (this.list.hidden) return;
    const steps: Record<string, () => void> = {
      ArrowDown: () => this.move(this.at + 1),
      ArrowUp: () => this.move(this.at - 1),
      Enter: () => this.choose(this.at),
      Tab: () => this.choose(this.at),
      Escape: () => this.close(),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    step();
  }

  private choose(index: number): void {
    const choice = this.choices[index];
    const term = this.typed;
    this.close();
    if (!choice || term === null) return;
    const end = this.area.selectionStart;
    this.area.setRangeText(`${choice.value} `, end - term.length - 1, end, "end");
    this.keep();
  }

  private close(): void {
    this.asked++;
    this.list.hidden = true;
    this.note.textContent = "";
    this.area.removeAttribute("aria-activedescendant");
  }
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-content-style", contentCss);
    dress(el, "wb-prose");
    const view = new ProseView(model, el);
    return () => view.remove();
  },
};

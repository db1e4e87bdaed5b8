// The dialog that changes one column of many rows: first what it would do, then exactly that.
import { control, type Control } from "../controls";
import { make, newId } from "../dom";
import type { Rpc } from "../rpc";
import { unturned } from "../values";
import type { Choice, Column, Row } from "../wire";

const WORDS: Record<string, string> = { set: "Set to", clear: "Make empty", append: "Add tags", drop: "Take tags away", replace: "Replace text" };

interface Planned {
  count: number;
  unchanged: number;
  shown: [string, string, string][];
  problems: Record<string, number>;
}

export interface Question {
  host: HTMLElement;
  rpc: Rpc;
  rows: Row[];
  noun: string;
  plural: string;
  columns: Column[];
}

/** Ask what to do to the rows, show what it would be, do it; gives how many were changed. */
export function askForChange({ host, rpc, rows, noun, plural, columns }: Question): Promise<number> {
  return new Promise((answered) => {
    const asked = columns.filter((column) => column.verbs.length > 0);
    const ids = rows.map((row) => row.id);
    const id = newId();
    const counted = (count: number) => `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
    let value: Control | null = null;
    let done = 0;
    let planned = false;

    const field = make("select", { id: newId(), "data-testid": "bulk-field" }, ...asked.map((c) => make("option", { value: c.field }, c.title)));
    const verb = make("select", { id: newId(), "data-testid": "bulk-verb" });
    const find = make("input", { type: "text", id: newId(), autocomplete: "off", "data-testid": "bulk-find" });
    const sought = labelled("Find", find);
    const place = make("div", {});
    const problem = make("div", { class: "wb-problem", role: "alert", "data-testid": "bulk-problem" });
    const preview = make("div", { class: "wb-bulk-plan", role: "status", "data-testid": "bulk-plan" });
    const go = make("button", { type: "submit", class: "wb-button wb-primary" });

    const column = () => asked.find((c) => c.field === field.value) as Column;
    const again = () => {
      planned = false;
      preview.replaceChildren();
      go.textContent = "Show what would change";
      go.disabled = false;
    };
    const chooseVerb = () => {
      sought.hidden = verb.value !== "replace";
      const words: Column = { ...column(), required: false, help: "", title: verb.value === "replace" ? "Replace with" : column().title };
      value = verb.value === "clear" ? null : control(words, null, "", (term) => rpc.call<Choice[]>("lookup", { field: words.field, term, row: rows[0] }));
      place.replaceChildren(...(value ? [value.element] : []));
      again();
    };
    const chooseField = () => {
      verb.replaceChildren(...column().verbs.map((name) => make("option", { value: name }, WORDS[name] ?? name)));
      chooseVerb();
    };
    const show = (plan: Planned) => {
      const words = [`${counted(plan.count)} would change.`];
      if (plan.unchanged) words.push(`${counted(plan.unchanged)} would stay as they are.`);
      for (const [why, count] of Object.entries(plan.problems)) words.push(`${counted(count)} cannot be changed: ${why}`);
      const lines = plan.shown.map(([name, before, after]) =>
        make("li", {}, make("strong", {}, unturned(name)), " ", make("span", { class: "wb-before" }, unturned(before) || "empty"), " → ", make("span", {}, unturned(after) || "empty")),
      );
      const more = plan.count - lines.length;
      preview.replaceChildren(make("p", {}, words.join(" ")), make("ul", {}, ...lines, more > 0 && make("li", {}, `… and ${counted(more)} more`)));
      planned = plan.count > 0;
      go.textContent = planned ? `Change ${counted(plan.count)}` : "Nothing to change";
      go.disabled = !planned;
    };
    const send = async () => {
      problem.textContent = "";
      go.disabled = true;
      try {
        if (planned) {
          done = await rpc.call<number>("apply", {});
          return dialog.close();
        }
        const label = value?.element.querySelector<HTMLInputElement>("input")?.value ?? "";
        show(await rpc.call<Planned>("plan", { ids, field: field.value, verb: verb.value, value: value?.read() ?? null, find: find.value, label: column().kind === "reference" ? label : "" }));
      } catch (why) {
        again();
        problem.textContent = (why as Error).message;
      }
    };

    const form = make(
      "form",
      { submit: (event: Event) => (event.preventDefault(), void send()) },
      make("h2", { id }, `Change ${counted(rows.length)}`),
      labelled("Column", field),
      labelled("What to do", verb),
      sought,
      place,
      problem,
      preview,
      make("div", { class: "wb-dialog-buttons" }, make("button", { type: "button", class: "wb-button wb-plain", click: () => dialog.close() }, "Cancel"), go),
    );
    const dialog = make("dialog", { class: "wb-dialog wb-bulk", "aria-labelledby": id, "data-testid": "bulk-dialog" }, form);
    field.addEventListener("change", chooseField);
    verb.addEventListener("change", chooseVerb);
    for (const part of [place, sought]) for (const heard of ["input", "change"]) part.addEventListener(heard, again);
    dialog.addEventListener("close", () => {
      dialog.remove();
      answered(done);
    });
    chooseField();
    host.append(dialog);
    dialog.showModal();
    field.focus();
  });
}

function labelled(words: string, input: HTMLElement): HTMLElement {
  return make("div", { class: "wb-field" }, make("label", { for: input.id }, words), input);
}

// The dialog that asks for a new row: what is required first, the rest on request.
import { control } from "../controls";
import { make, newId } from "../dom";
import { Refusal, type Rpc } from "../rpc";
import type { Choice, Column, Row } from "../wire";

export interface Question {
  host: HTMLElement;
  rpc: Rpc;
  noun: string;
  columns: Column[];
  preset: Record<string, unknown>;
}

/** Ask until the row is stored or the person gives up (null). What was typed stays after a refusal. */
export function askForRow({ host, rpc, noun, columns, preset }: Question): Promise<Row | null> {
  return new Promise((answered) => {
    const asked = columns.filter((c) => c.editable && c.kind !== "picture" && (!c.hidden || c.required));
    const controls = asked.map((column) =>
      control(column, preset[column.field], String(preset[`${column.field}__label`] ?? preset[column.field] ?? ""), (term) =>
        rpc.call<Choice[]>("lookup", { field: column.field, term, row: preset }),
      ),
    );
    const needed = controls.filter(({ column }) => column.required);
    const rest = controls.filter(({ column }) => !column.required);
    if (needed.length === 0) needed.push(...rest.splice(0, 3));
    const more = make("details", { class: "wb-more" }, make("summary", {}, "More fields"), ...rest.map((c) => c.element));
    const problem = make("div", { class: "wb-problem", role: "alert", "data-testid": "new-problem" });
    const id = newId();
    let stored: Row | null = null;
    const store = make("button", { type: "submit", class: "wb-button wb-primary" }, `Add ${noun}`);

    const send = async () => {
      problem.textContent = "";
      const values: Record<string, unknown> = {};
      let wrong: (typeof controls)[number] | undefined;
      for (const one of controls) {
        one.problem("");
        try {
          const value = one.read();
          if (value !== null && !(Array.isArray(value) && value.length === 0)) values[one.column.field] = value;
        } catch (why) {
          one.problem((why as Error).message);
          wrong ??= one;
        }
      }
      if (wrong) return show(wrong);
      store.disabled = true;
      try {
        stored = await rpc.call<Row>("add", { values });
        dialog.close();
      } catch (why) {
        refused(why);
      } finally {
        store.disabled = false;
      }
    };
    const show = (one: (typeof controls)[number]) => {
      if (rest.includes(one)) more.open = true;
      one.focus();
    };
    const refused = (why: unknown) => {
      if (!(why instanceof Refusal)) throw why;
      const { problems, field, message } = why.failure;
      const told = Object.entries(problems ?? (field ? { [field]: message } : {}));
      const known = told.filter(([name]) => controls.some(({ column }) => column.field === name));
      for (const [name, text] of known) controls.find(({ column }) => column.field === name)?.problem(text);
      if (known.length < told.length || known.length === 0) problem.textContent = message;
      const first = controls.find(({ column }) => column.field === known[0]?.[0]);
      if (first) show(first);
    };

    const form = make(
      "form",
      { submit: (event: Event) => (event.preventDefault(), void send()) },
      make("h2", { id }, `New ${noun}`),
      ...needed.map((c) => c.element),
      rest.length > 0 && more,
      problem,
      make("div", { class: "wb-dialog-buttons" }, make("button", { type: "button", class: "wb-button wb-plain", click: () => dialog.close() }, "Cancel"), store),
    );
    const dialog = make("dialog", { class: "wb-dialog wb-new", "aria-labelledby": id, "data-testid": "new-dialog" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      answered(stored);
    });
    host.append(dialog);
    dialog.showModal();
    controls.find(({ column }) => column.required && preset[column.field] == null)?.focus();
  });
}

// Fields of a form in the browser, made from columns; used where a new row is asked for.
import { Combobox } from "./combobox";
import { make, newId } from "./dom";
import { asEditText, fromText, isEmpty } from "./values";
import type { Choice, Column } from "./wire";

export interface Control {
  column: Column;
  element: HTMLElement;
  /** The value in the field; throws a sentence if the text is no value. */
  read(): unknown;
  problem(message: string): void;
  focus(): void;
}

type Find = (term: string) => Promise<Choice[]>;

export function control(column: Column, preset: unknown, presetLabel: string, find: Find): Control {
  const ids = { field: newId(), help: newId(), problem: newId() };
  const { field, read } = input(column, preset, presetLabel, find);
  field.id = ids.field;
  field.setAttribute("aria-describedby", `${ids.help} ${ids.problem}`);
  field.setAttribute("data-testid", `new-${column.field}`);
  if (column.required) field.setAttribute("aria-required", "true");
  const problem = make("div", { id: ids.problem, class: "wb-problem", role: "alert" });
  const shown = field.closest(".wb-combobox") ?? field;
  const label = make("label", { for: ids.field }, column.title, column.required && make("span", { class: "wb-required", "aria-hidden": "true" }, " *"));
  return {
    column,
    element: make("div", { class: `wb-field wb-field-${column.kind}` }, label, shown, make("div", { id: ids.help, class: "wb-help" }, column.help), problem),
    read: () => {
      const value = read();
      if (column.required && isEmpty(value)) throw new Error("This must not be empty.");
      return value;
    },
    problem: (message) => {
      problem.textContent = message;
      field.setAttribute("aria-invalid", String(Boolean(message)));
    },
    focus: () => field.focus(),
  };
}

function input(column: Column, preset: unknown, presetLabel: string, find: Find): { field: HTMLElement; read: () => unknown } {
  if (column.kind === "reference") {
    const box = new Combobox({ label: column.title, value: preset == null ? null : String(preset), text: presetLabel, clearable: !column.required, find, chosen: () => undefined });
    box.input.removeAttribute("aria-label");
    return { field: box.input, read: () => box.value };
  }
  if (column.kind === "boolean") {
    const field = make("input", { type: "checkbox", checked: preset === true });
    return { field, read: () => field.checked };
  }
  if (column.kind === "choice") {
    const field = make("select", {}, make("option", { value: "" }, "–"), ...column.options.map((option) => make("option", { value: option, selected: option === preset }, option)));
    return { field, read: () => field.value || null };
  }
  const field = column.kind === "long" || column.kind === "json" ? make("textarea", { rows: 4, maxlength: column.max_length }) : make("input", { type: "text", maxlength: column.max_length, autocomplete: "off" });
  field.value = asEditText(column, preset);
  return { field, read: () => fromText(column, field.value) };
}

// Cell editors: one line, several lines, a list of options, and a search for a record.
import type { ICellEditorComp, ICellEditorParams } from "ag-grid-community";
import { Combobox } from "../combobox";
import { make } from "../dom";
import { asEditText, fromText } from "../values";
import type { Choice, Column, Row } from "../wire";
import { Entered } from "./edits";

export interface EditorParams extends ICellEditorParams<Row> {
  wb: Column;
  find(field: string, term: string, row: Row | null): Promise<Choice[]>;
}

const isTyped = (key: string | null): key is string => key?.length === 1;

function read(column: Column, text: string): Entered {
  try {
    return new Entered(fromText(column, text));
  } catch (why) {
    return new Entered(text, "", (why as Error).message);
  }
}

export class LineEditor implements ICellEditorComp<Row> {
  private input!: HTMLInputElement;
  private column!: Column;
  private typed = false;

  init(params: EditorParams): void {
    this.column = params.wb;
    const number = this.column.kind === "integer" || this.column.kind === "number";
    this.typed = isTyped(params.eventKey);
    this.input = make("input", {
      class: "wb-cell-input",
      type: "text",
      "aria-label": this.column.title,
      inputmode: number ? "decimal" : null,
      placeholder: this.column.kind === "tags" ? "one, two" : null,
      maxlength: this.column.kind === "text" ? this.column.max_length : null,
    });
    const cleared = params.eventKey === "Backspace" || params.eventKey === "Delete";
    this.input.value = this.typed ? (params.eventKey ?? "") : cleared ? "" : asEditText(this.column, params.value);
  }

  getGui(): HTMLElement {
    return this.input;
  }

  afterGuiAttached(): void {
    this.input.focus();
    if (!this.typed) this.input.select();
  }

  getValue(): Entered {
    return read(this.column, this.input.value);
  }
}

export class LongEditor implements ICellEditorComp<Row> {
  private gui!: HTMLElement;
  private area!: HTMLTextAreaElement;
  private column!: Column;

  init(params: EditorParams): void {
    this.column = params.wb;
    const problem = make("div", { class: "wb-problem", role: "alert" });
    const check = () => {
      const { error } = this.getValue();
      problem.textContent = error;
      this.area.setAttribute("aria-invalid", String(Boolean(error)));
      return !error;
    };
    this.area = make("textarea", { "aria-label": this.column.title, rows: 8, maxlength: this.column.max_length, class: this.column.kind === "json" ? "wb-mono" : null });
    this.area.value = isTyped(params.eventKey) ? params.eventKey : asEditText(this.column, params.value);
    this.gui = make(
      "div",
      { class: "wb-long-editor", keydown: (event: KeyboardEvent) => {
        if (event.key === "Tab") event.stopPropagation(); // to the buttons, not to the next cell
        if (event.key !== "Enter") return;
        if (event.ctrlKey || event.metaKey) {
          if (check()) params.stopEditing();
          event.preventDefault();
        }
        event.stopPropagation();
      } },
      this.area,
      problem,
      make(
        "div",
        { class: "wb-long-buttons" },
        make("small", {}, "Ctrl+Enter keeps, Esc cancels"),
        make("button", { type: "button", class: "wb-button wb-plain", click: () => params.api.stopEditing(true) }, "Cancel"),
        make("button", { type: "button", class: "wb-button wb-primary", click: () => check() && params.stopEditing() }, "Keep"),
      ),
    );
  }

  getGui(): HTMLElement {
    return this.gui;
  }

  afterGuiAttached(): void {
    this.area.focus();
    this.area.setSelectionRange(this.area.value.length, this.area.value.length);
  }

  getValue(): Entered {
    return read(this.column, this.area.value);
  }

  isPopup(): boolean {
    return true;
  }
}

export class ChoiceEditor implements ICellEditorComp<Row> {
  private select!: HTMLSelectElement;

  init(params: EditorParams): void {
    const column = params.wb;
    const options = column.required && params.value != null ? [...column.options] : ["", ...column.options];
    if (params.value != null && !options.includes(String(params.value))) options.push(String(params.value));
    this.select = make("select", { class: "wb-cell-input", "aria-label": column.title }, ...options.map((option) => make("option", { value: option }, option || "–")));
    this.select.value = params.value == null ? "" : String(params.value);
  }

  getGui(): HTMLElement {
    return this.select;
  }

  afterGuiAttached(): void {
    this.select.focus();
    try {
      this.select.showPicker?.();
    } catch {
      // a browser opens the list only right after a gesture; the arrow keys work without
    }
  }

  getValue(): Entered {
    return new Entered(this.select.value || null);
  }
}

export class ReferenceEditor implements ICellEditorComp<Row> {
  private box!: Combobox;
  private typed = false;

  init(params: EditorParams): void {
    const column = params.wb;
    this.typed = isTyped(params.eventKey);
    this.box = new Combobox({
      label: column.title,
      value: params.value == null ? null : String(params.value),
      text: params.value == null ? "" : String(params.data[`${column.field}__label`] ?? params.value),
      clearable: !column.required,
      find: (term) => params.find(column.field, term, params.data),
      chosen: () => params.stopEditing(),
    });
    if (this.typed) this.box.input.value = params.eventKey ?? "";
    const cleared = params.eventKey === "Backspace" || params.eventKey === "Delete";
    if (cleared && !column.required) this.box.set(null, "");
  }

  getGui(): HTMLElement {
    return this.box.element;
  }

  afterGuiAttached(): void {
    this.box.input.focus();
    if (!this.typed) this.box.input.select();
    this.box.open();
  }

  getValue(): Entered {
    return new Entered(this.box.value, this.box.text);
  }

  destroy(): void {
    this.box.close();
  }
}

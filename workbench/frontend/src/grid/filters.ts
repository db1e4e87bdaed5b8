// The filter row: for each kind of column the control that fits, all answered by the source.
import type {
  FilterDisplayComp,
  FilterDisplayParams,
  FloatingFilterDisplayComp,
  FloatingFilterDisplayParams,
} from "ag-grid-community";
import { Combobox } from "../combobox";
import { icon, icons, later, make, newId } from "../dom";
import type { Choice, Column, Filter } from "../wire";

export interface Condition {
  test: Filter["test"];
  value?: unknown;
  label?: string;
}

interface Ours {
  wb: Column;
  find(field: string, term: string, row: null): Promise<Choice[]>;
}

export const FILTERS_PIXELS = 40;
const PROBLEM_PIXELS = 34;
const TYPING_MILLISECONDS = 250;
const ACCEPTED = "Write 5, 3–10 or >3.";
const tests: Record<Filter["test"], string> = { contains: "contains", equals: "is", between: "from – to", empty: "is empty", not_empty: "is not empty" };
const EMPTY: Condition = { test: "empty" };
const FILLED: Condition = { test: "not_empty" };

function testsOf(column: Column): Filter["test"][] {
  const own: Filter["test"][] =
    column.kind === "integer" || column.kind === "number" || column.kind === "time" ? ["between"]
    : column.kind === "picture" ? []
    : column.kind === "text" || column.kind === "long" ? ["contains", "equals"]
    : column.kind === "tags" || column.kind === "json" ? ["contains"]
    : ["equals"];
  return [...own, "empty", "not_empty"];
}

/** The nearest number above (1) or below (-1): the ends of a range belong to it. */
function beside(bound: number, direction: 1 | -1, whole: boolean): number {
  if (whole) return direction === 1 ? Math.floor(bound) + 1 : Math.ceil(bound) - 1;
  return bound + direction * Math.max(Number.MIN_VALUE, Math.abs(bound) * Number.EPSILON);
}

/** Read "5", "3-10", ">3", ">=3", "<10", "<=10" as a range. */
function range(text: string, whole: boolean): Condition | null {
  const bare = text.replace(/\s/g, "").replace(",", ".").replace("≥", ">=").replace("≤", "<=");
  const compared = /^([<>])(=?)(-?[\d.]+)$/.exec(bare);
  if (compared) {
    const [, sign, equal, digits] = compared;
    const bound = Number(digits);
    if (Number.isNaN(bound)) return null;
    const end = equal ? bound : beside(bound, sign === ">" ? 1 : -1, whole);
    return { test: "between", value: sign === ">" ? [end, null] : [null, end], label: bare.replace(">=", "≥").replace("<=", "≤") };
  }
  const number = (part: string | undefined) => (part ? Number(part) : null);
  const found = /^(-?[\d.]+)?(?:-|–|\.\.|to)(-?[\d.]+)?$/.exec(bare);
  const exact = /^-?[\d.]+$/.test(bare) ? bare : undefined;
  const pair = exact ? [number(exact), number(exact)] : found ? [number(found[1]), number(found[2])] : null;
  if (!pair || pair.every((end) => end === null) || pair.some((end) => Number.isNaN(end))) return null;
  if (whole && pair.some((end) => end !== null && !Number.isInteger(end))) return null;
  return { test: "between", value: pair };
}

function words(condition: Condition | null): string {
  if (!condition) return "";
  if (condition.test === "empty") return "(empty)";
  if (condition.test === "not_empty") return "(not empty)";
  if (condition.label !== undefined) return condition.label;
  if (condition.test !== "between") return String(condition.value ?? "");
  const [low, high] = condition.value as [unknown, unknown];
  if (low === high) return String(low);
  return low == null ? `≤${high}` : high == null ? `≥${low}` : `${low}–${high}`;
}

export class FilterRow implements FloatingFilterDisplayComp<unknown, unknown, Condition> {
  private params!: FloatingFilterDisplayParams<unknown, unknown, Condition> & Ours;
  private gui!: HTMLElement;
  private show!: (condition: Condition | null) => void;

  init(params: FloatingFilterDisplayParams<unknown, unknown, Condition> & Ours): void {
    this.params = params;
    const { kind } = params.wb;
    if (kind === "choice" || kind === "boolean" || kind === "picture") this.buildSelect();
    else if (kind === "reference") this.buildSearch();
    else this.buildText();
    this.show(params.model);
  }

  getGui(): HTMLElement {
    return this.gui;
  }

  refresh(params: FloatingFilterDisplayParams<unknown, unknown, Condition> & Ours): void {
    this.params = params;
    this.show(params.model);
  }

  private get label(): string {
    return `Filter ${this.params.wb.title}`;
  }

  private buildText(): void {
    const { kind } = this.params.wb;
    const number = kind === "integer" || kind === "number";
    const apply = () => {
      const text = input.value.trim();
      const condition = !text ? null : number ? range(text, this.params.wb.kind === "integer") : { test: "contains" as const, value: text };
      complain(text && !condition ? ACCEPTED : "");
      if (condition || !text) this.params.onModelChange(condition);
    };
    const input = make("input", {
      type: "text",
      class: "wb-filter",
      "aria-label": this.label,
      "data-testid": `filter-${this.params.wb.field}`,
      placeholder: number ? "3–10, >5" : kind === "time" ? "any time" : "contains…",
      readonly: kind === "time",
      title: number ? "A number, a range such as 3–10, or >5, ≥5, <5" : null,
      input: later(TYPING_MILLISECONDS, apply),
      keydown: (event: KeyboardEvent) => {
        if (event.key === "Enter") apply();
        if (!event.key.startsWith("Tab")) event.stopPropagation();
      },
      click: () => kind === "time" && this.params.showParentFilter(),
    });
    const more = make("button", { type: "button", class: "wb-filter-more", "aria-label": `More filters of ${this.params.wb.title}`, click: () => this.params.showParentFilter() }, icon(icons.more));
    const problem = make("div", { class: "wb-filter-problem", role: "alert", id: newId() });
    input.setAttribute("aria-describedby", problem.id);
    const complain = (text: string) => {
      if (problem.textContent === text) return;
      problem.textContent = text;
      input.setAttribute("aria-invalid", String(text !== ""));
      this.makeRoom();
    };
    this.gui = make("div", { class: "wb-filter-text" }, make("div", { class: "wb-filter-cell" }, input, more), problem);
    this.show = (condition) => {
      if (document.activeElement !== input) {
        input.value = words(condition);
        complain("");
      }
      more.classList.toggle("wb-on", condition !== null);
    };
  }

  /** What is wrong stands below the field: the row of filters is higher as long as anything is. */
  private makeRoom(): void {
    const wrong = this.gui.closest(".ag-root")?.querySelector(".wb-filter-problem:not(:empty)");
    this.params.api.setGridOption("floatingFiltersHeight", FILTERS_PIXELS + (wrong ? PROBLEM_PIXELS : 0));
  }

  private buildSelect(): void {
    const { kind, options, field } = this.params.wb;
    const values = kind === "boolean" ? ["true", "false"] : kind === "picture" ? [] : [...options];
    const named = (value: string) => (kind === "boolean" ? (value === "true" ? "yes" : "no") : value);
    const fixed = kind === "boolean" ? [] : [make("option", { value: "e" }, "(empty)"), make("option", { value: "f" }, "(not empty)")];
    const select = make(
      "select",
      {
        class: "wb-filter",
        "aria-label": this.label,
        "data-testid": `filter-${field}`,
        change: () => {
          const value = select.value;
          if (!value) this.params.onModelChange(null);
          else if (value === "e") this.params.onModelChange(EMPTY);
          else if (value === "f") this.params.onModelChange(FILLED);
          else this.params.onModelChange({ test: "equals", value: kind === "boolean" ? value === "=true" : value.slice(1) });
        },
        keydown: (event: KeyboardEvent) => event.key.startsWith("Arrow") && event.stopPropagation(),
      },
      make("option", { value: "" }, "any"),
      ...values.map((value) => make("option", { value: `=${value}` }, named(value))),
      ...fixed,
    );
    this.gui = make("div", { class: "wb-filter-cell" }, select);
    this.show = (condition) => {
      select.value = !condition ? "" : condition.test === "empty" ? "e" : condition.test === "not_empty" ? "f" : `=${String(condition.value)}`;
    };
  }

  private buildSearch(): void {
    const box = new Combobox({
      label: this.label,
      value: null,
      text: "",
      placeholder: "any",
      clearable: true,
      testId: `filter-${this.params.wb.field}`,
      fixed: [
        { value: "(empty)", label: "(empty)", detail: "" },
        { value: "(not empty)", label: "(not empty)", detail: "" },
      ],
      find: (term) => this.params.find(this.params.wb.field, term, null),
      chosen: (choice) => {
        if (!choice) this.params.onModelChange(null);
        else if (choice.value === "(empty)") this.params.onModelChange(EMPTY);
        else if (choice.value === "(not empty)") this.params.onModelChange(FILLED);
        else this.params.onModelChange({ test: "equals", value: choice.value, label: choice.label });
      },
    });
    this.gui = make("div", { class: "wb-filter-cell", keydown: (event: KeyboardEvent) => event.key !== "Tab" && event.stopPropagation() }, box.element);
    this.show = (condition) => box.set(condition ? String(condition.value ?? words(condition)) : null, words(condition));
  }
}

/** What the button beside a filter opens: the tests that one field has no room for. */
export class FilterForm implements FilterDisplayComp<unknown, unknown, Condition> {
  private params!: FilterDisplayParams<unknown, unknown, Condition> & Ours;
  private readonly gui = make("div", { class: "wb wb-filter-form" });

  init(params: FilterDisplayParams<unknown, unknown, Condition> & Ours): void {
    this.params = params;
    this.build();
  }

  getGui(): HTMLElement {
    return this.gui;
  }

  refresh(params: FilterDisplayParams<unknown, unknown, Condition> & Ours): boolean {
    const outside = params.source !== "ui";
    this.params = params;
    if (outside) this.build();
    return true;
  }

  afterGuiAttached(): void {
    this.gui.querySelector<HTMLElement>("select, input")?.focus();
  }

  private build(): void {
    const { wb: column, model } = this.params;
    const two = column.kind === "integer" || column.kind === "number" || column.kind === "time";
    const type = column.kind === "time" ? "date" : two ? "number" : "text";
    const ends = (model?.test === "between" ? model.value : [null, null]) as [unknown, unknown];
    const field = (label: string, value: unknown) => make("input", { type, step: "any", "aria-label": label, value: value == null ? null : String(value), input: later(TYPING_MILLISECONDS, () => apply()) });
    const test = make("select", { "aria-label": `Test of ${column.title}`, change: () => (toggle(), apply()) }, ...testsOf(column).map((name) => make("option", { value: name }, tests[name])));
    test.value = model?.test ?? testsOf(column)[0] ?? "empty";
    const fields = two ? [field("From", ends[0]), field("To", ends[1])] : [field("Value", model?.test === "between" ? null : model?.value)];
    const toggle = () => fields.forEach((input) => (input.hidden = test.value === "empty" || test.value === "not_empty"));
    const read = (input: HTMLInputElement | undefined) => (!input?.value ? null : type === "number" ? Number(input.value) : input.value);
    const apply = () => {
      const name = test.value as Filter["test"];
      if (name === "empty" || name === "not_empty") return this.params.onModelChange({ test: name });
      const value = two ? fields.map(read) : read(fields[0]);
      const none = two ? (value as unknown[]).every((end) => end === null) : value === null;
      return this.params.onModelChange(none ? null : { test: name, value });
    };
    const clear = make("button", { type: "button", class: "wb-button wb-plain", click: () => (this.params.onModelChange(null), setTimeout(() => (this.build(), this.afterGuiAttached()))) }, "Clear");
    this.gui.replaceChildren(test, ...fields, clear);
    toggle();
  }
}

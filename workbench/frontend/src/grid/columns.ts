// How a column of ours becomes one of the engine's.
import type { ColDef, ICellRendererParams, ValueSetterParams } from "ag-grid-community";
import { make } from "../dom";
import { asText, isEmpty } from "../values";
import type { Choice, Column, Kind, Row } from "../wire";
import { Entered, type Edits } from "./edits";
import { ChoiceEditor, LineEditor, LongEditor, ReferenceEditor } from "./editors";
import { FilterForm, FilterRow } from "./filters";
import { least } from "./widths";

type Find = (field: string, term: string, row: Row | null) => Promise<Choice[]>;

const editors: Partial<Record<Kind, new () => object>> = {
  long: LongEditor,
  json: LongEditor,
  choice: ChoiceEditor,
  reference: ReferenceEditor,
};
const NARROWEST = 60;
const PICTURE = /^data:image\/(png|jpeg|webp|gif);base64,/;

export function engineColumn(column: Column, edits: Edits, find: Find): ColDef<Row> {
  const { field, kind } = column;
  const message = (row: Row | undefined) => (row && edits.find(row.id, field)?.message) || "";
  const definition: ColDef<Row> = {
    field,
    colId: field,
    headerName: column.title + (column.required && column.editable ? " *" : ""),
    headerTooltip: column.help || undefined,
    hide: column.hidden,
    sortable: column.sortable,
    cellDataType: false,
    minWidth: NARROWEST,
    width: least[kind],
    editable: (p) => column.editable && kind !== "picture" && Boolean(p.data) && !isFixed(p.data, field) && !edits.gone.has(p.data?.id ?? ""),
    cellClass: kind === "integer" || kind === "number" ? "wb-number" : `wb-${kind}`,
    cellClassRules: {
      "wb-bad": (p) => message(p.data) !== "",
      "wb-saving": (p) => Boolean(p.data && edits.find(p.data.id, field)) && message(p.data) === "",
    },
    tooltipValueGetter: (p) => message(p.data) || edits.gone.get(p.data?.id ?? "") || (kind === "long" ? asText(column, p.value).slice(0, 600) : null),
    valueSetter: (p) => take(p, column, edits),
  };
  if (kind === "boolean") {
    definition.cellRenderer = "agCheckboxCellRenderer";
    definition.cellEditor = "agCheckboxCellEditor";
  } else {
    definition.cellRenderer = (p: ICellRendererParams<Row>) => draw(p, column, message(p.data));
    definition.cellEditor = editors[kind] ?? LineEditor;
    definition.cellEditorParams = { wb: column, find };
    definition.cellEditorPopup = definition.cellEditor === LongEditor;
  }
  if (column.filterable) {
    definition.filter = { component: FilterForm };
    definition.filterParams = { wb: column, find };
    definition.floatingFilter = true;
    definition.floatingFilterComponent = FilterRow;
    definition.floatingFilterComponentParams = { wb: column, find };
    definition.suppressFloatingFilterButton = true;
  }
  return definition;
}

/** Whether this person may not change the field in this row. */
function isFixed(row: Row | undefined, field: string): boolean {
  const fixed = row?.["__fixed"];
  return fixed === true || (Array.isArray(fixed) && fixed.includes(field));
}

function take(p: ValueSetterParams<Row>, column: Column, edits: Edits): boolean {
  const entered = p.newValue instanceof Entered ? p.newValue : new Entered(p.newValue ?? null);
  const before = p.data[column.field];
  const same = JSON.stringify(before ?? null) === JSON.stringify(entered.value ?? null) || (isEmpty(before) && isEmpty(entered.value));
  if (same && !entered.error) return false;
  edits.commit(p.data, column, entered);
  return true;
}

function draw(p: ICellRendererParams<Row>, column: Column, message: string): HTMLElement | string {
  p.eGridCell.toggleAttribute("aria-invalid", false);
  if (message) p.eGridCell.setAttribute("aria-invalid", "true");
  if (!p.data) return make("span", { class: "wb-loading" });
  const text = asText(column, p.value, p.data);
  if (column.kind === "picture") return PICTURE.test(text) ? make("img", { src: text, alt: "", class: "wb-thumbnail" }) : make("span");
  if (column.kind === "tags" && Array.isArray(p.value))
    return make("span", { class: "wb-tags" }, ...p.value.map((tag) => make("span", { class: "wb-tag" }, String(tag))));
  if (column.kind === "json" && (text === "{}" || text === "[]")) return make("span");
  if (column.kind === "reference" && p.data[`${column.field}__trashed`] === true)
    return make("span", { class: "wb-trashed", title: "in the trash" }, text, make("span", { class: "wb-unseen" }, " (in the trash)"));
  return make("span", {}, text);
}

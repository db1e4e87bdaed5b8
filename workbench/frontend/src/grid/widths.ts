// How wide columns are: as their names, their filters and the rows of the first block need it;
// what room is left goes to the columns of text.
import type { GridApi } from "ag-grid-community";
import { asText } from "../values";
import type { Column, Kind, Row } from "../wire";

/** What a column's filter needs to show its hint, in pixels; `most` is for the content. */
export const least: Record<Kind, number> = {
  text: 124, long: 150, integer: 124, number: 124, boolean: 84, choice: 110,
  reference: 130, tags: 124, json: 110, time: 110, picture: 90,
};
const most: Record<Kind, number> = {
  text: 280, long: 340, integer: 160, number: 160, boolean: 140, choice: 220,
  reference: 260, tags: 240, json: 220, time: 200, picture: 120,
};
const grows: Partial<Record<Kind, number>> = { text: 2, long: 3, reference: 1, tags: 1 };

const CELL_PADDING = 28;
const SORT_ARROW = 20;
const TAG_PADDING = 20;
/** The share of rows that a column shows whole; one that must be filled shows all. */
const MOSTLY = 0.8;

type Measure = (text: string, bold?: boolean) => number;

function measureLike(element: Element): Measure {
  const drawing = document.createElement("canvas").getContext("2d");
  const { fontFamily } = getComputedStyle(element);
  return (text, bold = false) => {
    if (!drawing) return 7 * text.length;
    drawing.font = `${bold ? 600 : 400} 13px ${fontFamily}`;
    return drawing.measureText(text).width;
  };
}

function natural(column: Column, rows: Row[], measure: Measure): number {
  const { kind, field } = column;
  const needed = rows
    .map((row) => {
      const padding = kind === "tags" && Array.isArray(row[field]) ? TAG_PADDING * (row[field] as unknown[]).length : 0;
      return kind === "picture" ? 0 : measure(asText(column, row[field], row)) + padding;
    })
    .sort((a, b) => a - b);
  const shown = needed[Math.ceil(needed.length * (column.required ? 1 : MOSTLY)) - 1] ?? 0;
  const title = measure(column.title + (column.required ? " *" : ""), true) + SORT_ARROW;
  const content = Math.min(shown + CELL_PADDING, column.width ?? most[kind]);
  return Math.ceil(Math.max(least[kind], title + CELL_PADDING, content));
}

/** Keeps to the width of the grid until somebody sets a width by hand. */
export class Widths {
  private natural: Map<string, number> | undefined;
  private byHand = false;

  constructor(private readonly columns: Column[], private readonly table: Element) {}

  /** Take in the first rows there are. */
  seen(api: GridApi<Row>, rows: Row[]): void {
    if (this.natural || rows.length === 0) return;
    const measure = measureLike(this.table);
    this.natural = new Map(this.columns.filter((column) => !column.hidden).map((column) => [column.field, natural(column, rows, measure)]));
    this.fill(api);
  }

  resized(source: string): void {
    if (source === "uiColumnResized") this.byHand = true;
  }

  /** Set the widths, and share out what room the grid has beyond them. */
  fill(api: GridApi<Row>): void {
    if (!this.natural || this.byHand) return;
    const { left, right } = api.getHorizontalPixelRange();
    const others = api.getAllDisplayedColumns().filter((column) => !this.natural?.has(column.getColId()));
    const taken = [...this.natural.values(), ...others.map((column) => column.getActualWidth())].reduce((sum, width) => sum + width, 0);
    const spare = Math.max(0, right - left - taken);
    const shares = new Map(this.columns.filter(({ field }) => this.natural?.has(field)).map(({ field, kind }) => [field, grows[kind] ?? 0]));
    const all = [...shares.values()].reduce((sum, share) => sum + share, 0) || 1;
    const widths = [...this.natural].map(([key, width]) => ({ key, newWidth: width + Math.floor((spare * (shares.get(key) ?? 0)) / all) }));
    api.setColumnWidths(widths);
  }
}

// What others change is shown as it comes, and moves nothing that somebody looks at or types.
import type { GridApi } from "ag-grid-community";
import type { Row } from "../wire";

/** A row on screen, where it lies in the whole table, and how far that was scrolled. */
interface Anchor {
  id: string;
  top: number;
  scrolled: number;
}

export class Outside {
  private readonly held = new Map<string, Row>();
  private refreshHeld = false;
  private anchor: Anchor | null = null;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly table: HTMLElement, private readonly api: () => GridApi<Row> | undefined, private readonly show: (row: Row) => void) {}

  /** Show a row, unless it is being edited: an edit stands on the row as it was when it began. */
  row(row: Row): void {
    if (this.edited().some((index) => this.at(index)?.id === row.id)) this.held.set(row.id, row);
    else this.newer(row);
  }

  /** Fetch what is there again; while a cell is being edited its row must not move away. */
  refresh(): void {
    this.refreshHeld = this.edited().length > 0;
    this.anchor = null;
    if (!this.refreshHeld) this.api()?.refreshInfiniteCache();
  }

  /** Show what was held back, once no cell is being edited; moving on to the next one is not over yet. */
  released(): void {
    setTimeout(() => {
      if (this.edited().length > 0) return;
      for (const go of this.waiting.splice(0)) go();
      for (const row of this.held.values()) this.newer(row);
      this.held.clear();
      if (this.refreshHeld) this.refresh();
    });
  }

  /** Wait until none of these rows is being edited. */
  async still(start: number, end: number): Promise<void> {
    while (this.edited().some((index) => index >= start && index < end)) await new Promise<void>((go) => this.waiting.push(go));
  }

  /** Do what may move rows, and keep those on screen where they are, and the focus in its row. */
  around(work: () => void): void {
    const api = this.api();
    const viewport = this.table.querySelector(".ag-grid-viewport");
    if (!api || !viewport) return work();
    const anchor = this.anchor ?? this.take(viewport);
    const cell = this.table.contains(document.activeElement) ? api.getFocusedCell() : null;
    const focused = cell && this.at(cell.rowIndex)?.id;
    work();
    // At its top a list shows what comes in above; further down it stays where it is.
    const top = anchor && api.getRowNode(anchor.id)?.rowTop;
    this.anchor = anchor && top == null ? anchor : null; // it may come with the next block
    if (anchor && top != null && top !== anchor.top && viewport.scrollTop === anchor.scrolled) viewport.scrollTop += top - anchor.top;
    const index = focused ? api.getRowNode(focused)?.rowIndex : null;
    if (cell && index != null && index !== cell.rowIndex) api.setFocusedCell(index, cell.column);
  }

  private newer(row: Row): void {
    const shown = this.api()?.getRowNode(row.id)?.data;
    if (!shown || shown.version <= row.version) this.show(row);
  }

  private take(viewport: Element): Anchor | null {
    const scrolled = viewport.scrollTop;
    const height = this.api()?.getDisplayedRowAtIndex(0)?.rowHeight;
    if (!scrolled || !height) return null;
    const node = this.api()?.getDisplayedRowAtIndex(Math.ceil(scrolled / height));
    return node?.data && node.rowTop != null ? { id: node.data.id, top: node.rowTop, scrolled } : null;
  }

  private edited(): number[] {
    return this.api()?.getEditingCells().map((cell) => cell.rowIndex) ?? [];
  }

  private at(index: number): Row | undefined {
    return this.api()?.getDisplayedRowAtIndex(index)?.data;
  }
}

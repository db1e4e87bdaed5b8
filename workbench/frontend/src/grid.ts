// The grid: rows in blocks from the kernel, sorted, filtered and searched there, edited in place.
import { createGrid, type GridApi, type GridOptions, type IGetRowsParams } from "ag-grid-community";
import { addStyle, dress, icon, icons, later, make, whenWide } from "./dom";
import { askForRow } from "./grid/add";
import { engineColumn } from "./grid/columns";
import { type Edit, Edits, type Watcher } from "./grid/edits";
import { registerModules, theme } from "./grid/engine";
import type { Condition } from "./grid/filters";
import { ask, compare, toast } from "./messages";
import { openRpc, Refusal, type Rpc } from "./rpc";
import baseCss from "./base.css";
import gridCss from "./grid.css";
import { asText } from "./values";
import type { Choice, Column, Context, Model, Page, Row } from "./wire";

const BLOCKS_KEPT = 20;
const SEARCH_MILLISECONDS = 250;

class GridView implements Watcher {
  private readonly rpc: Rpc;
  private readonly edits: Edits;
  private readonly columns: Column[];
  private api: GridApi<Row> | undefined;
  private total: number | null = null;

  private readonly live = make("div", { class: "wb-unseen", role: "status", "aria-live": "polite", "data-testid": "grid-live" });
  private readonly count = make("span", { class: "wb-count", "data-testid": "grid-count" });
  private readonly banner = make("div", { class: "wb-banner", role: "alert", hidden: true, "data-testid": "grid-banner" });
  private readonly none = make("div", { class: "wb-none", hidden: true });
  private readonly table = make("div", { class: "wb-table", "data-testid": "grid-table" });
  // Popups lie above the page: the boxes that notebooks draw widgets in would cut them off.
  private readonly popups = make("div", { class: "wb wb-grid wb-popups", "data-lm-suppress-shortcuts": "true" });
  private readonly search: HTMLInputElement;
  private readonly removeButton: HTMLButtonElement;
  private readonly stopWaiting: () => void;

  constructor(private readonly model: Model, private readonly el: HTMLElement) {
    this.rpc = openRpc(model);
    this.edits = new Edits(this.rpc, this);
    this.columns = model.get<Column[]>("columns");
    const searched = later(SEARCH_MILLISECONDS, () => this.startAgain());
    this.search = make("input", { type: "search", class: "wb-search", placeholder: `Search ${this.plural}…`, "aria-label": `Search ${this.plural}`, "data-testid": "grid-search", input: searched });
    this.removeButton = make("button", { type: "button", class: "wb-button wb-plain", disabled: true, "data-testid": "grid-remove", click: () => void this.remove() }, icon(icons.remove), make("span", {}, "Remove"));
    dress(el, "wb-grid");
    this.table.style.height = model.get<string>("height");
    el.append(this.toolbar(), this.banner, make("div", { class: "wb-table-box" }, this.table, this.none), this.live);
    this.rpc.listen((message) => {
      if (message.t === "refresh") this.api?.refreshInfiniteCache();
      if (message.t === "row") this.show(this.edits.fetched(message["row"] as Row));
    });
    document.body.append(this.popups);
    this.stopWaiting = whenWide(el, () => (this.api = createGrid(this.table, this.options())));
  }

  close(): void {
    this.stopWaiting();
    this.rpc.close();
    this.api?.destroy();
    this.popups.remove();
  }

  // Watcher: what the edits tell

  show(row: Row): void {
    this.api?.getRowNode(row.id)?.setData(row);
  }

  marked(id: string): void {
    const node = this.api?.getRowNode(id);
    if (node) this.api?.refreshCells({ rowNodes: [node], force: true });
    this.showUnsaved();
  }

  say(text: string): void {
    this.live.textContent = text;
  }

  async stale(edit: Edit, current: Row): Promise<"mine" | "theirs" | ""> {
    const { column } = edit;
    const mine = asText(column, edit.value, { ...current, [`${column.field}__label`]: edit.label });
    const answer = await ask(
      this.el,
      `Somebody else changed this ${this.model.get<string>("noun")} meanwhile`,
      [make("p", {}, "Nothing was overwritten. Which value should stay?"), compare(column.title, mine, asText(column, current[column.field], current))],
      [
        { label: "Keep theirs", value: "theirs" },
        { label: "Save mine", value: "mine", style: "primary" },
      ],
    );
    return answer as "mine" | "theirs" | "";
  }

  // Parts

  private get plural(): string {
    return this.model.get<string>("plural");
  }

  private toolbar(): HTMLElement {
    const add = make("button", { type: "button", class: "wb-button wb-primary", "data-testid": "grid-add", click: () => void this.add() }, icon(icons.add), make("span", {}, `New ${this.model.get<string>("noun")}`));
    const refresh = make("button", { type: "button", class: "wb-button wb-plain wb-square", "aria-label": "Refresh", title: "Refresh", "data-testid": "grid-refresh", click: () => this.api?.refreshInfiniteCache() }, icon(icons.refresh));
    return make(
      "div",
      { class: "wb-toolbar", role: "toolbar", "aria-label": `Actions on ${this.plural}` },
      this.model.get<boolean>("can_add") && add,
      this.model.get<boolean>("can_remove") && this.removeButton,
      make("span", { class: "wb-search-box" }, icon(icons.search), this.search),
      this.count,
      refresh,
    );
  }

  private options(): GridOptions<Row> {
    registerModules();
    const find = (field: string, term: string, row: Row | null) => this.rpc.call<Choice[]>("lookup", { field, term, row });
    return {
      theme,
      columnDefs: this.columns.map((column) => engineColumn(column, this.edits, find)),
      defaultColDef: { resizable: true, suppressHeaderMenuButton: true, suppressHeaderFilterButton: true },
      rowModelType: "infinite",
      cacheBlockSize: this.model.get<number>("page_size"),
      maxBlocksInCache: BLOCKS_KEPT,
      maxConcurrentDatasourceRequests: 2,
      blockLoadDebounceMillis: 40,
      infiniteInitialRowCount: 1,
      datasource: { getRows: (params) => void this.fetch(params) },
      enableFilterHandlers: true,
      getRowId: ({ data }) => data.id,
      floatingFiltersHeight: 40,
      selectionColumnDef: { headerName: "Select", headerClass: "wb-select-header" },
      rowSelection: { mode: "multiRow", headerCheckbox: false, checkboxes: this.model.get<boolean>("can_remove"), enableClickSelection: false },
      rowClassRules: {
        "wb-gone": (p) => Boolean(p.data && this.edits.gone.has(p.data.id)),
        "wb-active": (p) => Boolean(p.data && p.data.id === this.model.get<string>("active")),
      },
      popupParent: this.popups,
      suppressDragLeaveHidesColumns: true,
      suppressNoRowsOverlay: true,
      stopEditingWhenCellsLoseFocus: false,
      tooltipShowDelay: 250,
      onSelectionChanged: ({ api }) => this.selected(api.getSelectedRows().map((row) => row.id)),
      onCellFocused: ({ rowIndex, api }) => this.focused(rowIndex == null ? undefined : api.getDisplayedRowAtIndex(rowIndex)?.data),
    };
  }

  private async fetch(params: IGetRowsParams<Row>): Promise<void> {
    const filters = Object.entries((params.filterModel ?? {}) as Record<string, Condition>).map(([field, { test, value }]) => ({ field, test, value }));
    const sort = params.sortModel.map(({ colId, sort: way }) => ({ field: colId, descending: way === "desc" }));
    const started = performance.now();
    try {
      const page = await this.rpc.call<Page>("page", { start: params.startRow, count: params.endRow - params.startRow, sort, filters, search: this.search.value.trim() || null });
      const reached = params.startRow + page.rows.length;
      const last = page.total ?? page.last ?? (reached < params.endRow ? reached : undefined);
      params.successCallback(page.rows.map((row) => this.edits.fetched(row)), last);
      this.el.dataset["blockMilliseconds"] = (performance.now() - started).toFixed(0);
      this.counted(page.total ?? last ?? null, filters.length > 0 || this.search.value.trim() !== "");
      this.showUnsaved();
    } catch (why) {
      params.failCallback();
      this.tell(`The ${this.plural} could not be fetched. ${(why as Error).message}`, [["Try again", () => this.startAgain()]]);
    }
  }

  private startAgain(): void {
    this.tell("");
    if (this.total) this.api?.ensureIndexVisible(0);
    this.api?.purgeInfiniteCache();
  }

  private counted(total: number | null, narrowed: boolean): void {
    this.total = total;
    const number = total === null ? "" : new Intl.NumberFormat().format(total);
    const words = total === 1 ? this.model.get<string>("noun") : this.plural;
    this.count.textContent = total === null ? "" : `${number} ${words}`;
    this.none.hidden = total !== 0;
    this.none.textContent = narrowed ? `No ${this.plural} match.` : `No ${this.plural} yet.`;
  }

  private selected(ids: string[]): void {
    this.removeButton.disabled = ids.length === 0;
    this.removeButton.lastElementChild!.textContent = ids.length ? `Remove (${ids.length})` : "Remove";
    this.model.set("selected", ids);
    this.model.save_changes();
  }

  private focused(row: Row | undefined): void {
    if (!row || row.id === this.model.get<string>("active")) return;
    this.model.set("active", row.id);
    this.model.save_changes();
    // Rows drawn later get their mark from rowClassRules; those on screen get it here.
    for (const element of this.table.querySelectorAll(".ag-row"))
      element.classList.toggle("wb-active", element.getAttribute("row-id") === row.id);
  }

  private showUnsaved(): void {
    const { unsaved } = this.edits;
    if (unsaved.length === 0) return this.tell("");
    const first = unsaved[0] as Edit;
    const lead = unsaved.length === 1 ? "One change is not saved." : `${unsaved.length} changes are not saved.`;
    this.tell(`${lead} ${first.column.title}: ${first.message}`, [
      ["Try again", () => this.edits.retry()],
      ["Discard", () => this.edits.discard()],
    ]);
  }

  private tell(text: string, actions: [string, () => void][] = []): void {
    this.banner.hidden = text === "";
    const buttons = actions.map(([label, run]) => make("button", { type: "button", class: "wb-button wb-plain wb-small", click: run }, label));
    this.banner.replaceChildren(make("span", {}, text), ...buttons);
  }

  // Actions

  private async add(): Promise<void> {
    const row = await askForRow({ host: this.el, rpc: this.rpc, noun: this.model.get<string>("noun"), columns: this.columns, preset: this.model.get<Record<string, unknown>>("preset") });
    if (!row) return;
    this.api?.refreshInfiniteCache();
    this.focused(row);
    toast(this.el, `Added ${this.nameOf(row)}.`);
  }

  private async remove(): Promise<void> {
    const rows = this.api?.getSelectedRows() ?? [];
    if (rows.length === 0) return;
    const what = rows.length === 1 ? this.nameOf(rows[0] as Row) : `${rows.length} ${this.plural}`;
    try {
      const token = await this.rpc.call<string>("remove", { ids: rows.map((row) => row.id) });
      this.api?.deselectAll();
      this.api?.refreshInfiniteCache();
      toast(this.el, `Removed ${what}.`, { action: { label: "Undo", run: () => void this.restore(token, what) } });
    } catch (why) {
      this.failed(why);
    }
  }

  private async restore(token: string, what: string): Promise<void> {
    try {
      await this.rpc.call("restore", { token });
      this.api?.refreshInfiniteCache();
      toast(this.el, `Brought back ${what}.`);
    } catch (why) {
      this.failed(why);
    }
  }

  private failed(why: unknown): void {
    if (!(why instanceof Refusal)) throw why;
    toast(this.el, why.message, { bad: true, seconds: 12 });
  }

  private nameOf(row: Row): string {
    const first = this.columns.find((column) => column.kind === "text" && !column.hidden) ?? this.columns[0];
    return first ? `“${asText(first, row[first.field], row)}”` : row.id;
  }
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-grid-style", gridCss);
    const view = new GridView(model, el);
    return () => view.close();
  },
};

// The grid: rows in blocks from the kernel, sorted, filtered and searched there, edited in place.
import { createGrid, type GridApi, type GridOptions, type IGetRowsParams } from "ag-grid-community";
import { addStyle, dress, icon, icons, later, make, whenWide } from "./dom";
import { askForRow } from "./grid/add";
import { fromAddress, isPlain, type Shown, toAddress } from "./grid/address";
import { Banner } from "./grid/banner";
import { askForChange } from "./grid/bulk";
import { engineColumn } from "./grid/columns";
import { type Edit, Edits, type Entered, type Watcher } from "./grid/edits";
import { registerModules, theme } from "./grid/engine";
import { type Condition, FILTERS_PIXELS } from "./grid/filters";
import { focusRow, jump, type Question } from "./grid/jump";
import { Outside } from "./grid/outside";
import { settle } from "./grid/settle";
import { copied, disarmed, paste, shownColumns } from "./grid/paste";
import { Widths } from "./grid/widths";
import { toast } from "./messages";
import { openRpc, Refusal, type Rpc } from "./rpc";
import baseCss from "./base.css";
import gridCss from "./grid.css";
import { asText, unturned } from "./values";
import type { Choice, Column, Context, Model, Page, Row } from "./wire";

const BLOCKS_KEPT = 20;
const SEARCH_MILLISECONDS = 250;

/** What decides how many rows a question has: all but its order. */
const narrowing = ({ filters, search }: Question): string => JSON.stringify([filters, search]);

/** Ctrl-Enter opens the page of a row; Enter alone edits the cell. */
const opens = (event: KeyboardEvent): boolean => event.key === "Enter" && (event.ctrlKey || event.metaKey);

/** Whether a clipboard's event is of a field that is typed into. */
const typing = ({ target }: Event): boolean => target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;

class GridView implements Watcher {
  private readonly rpc: Rpc;
  private readonly edits: Edits;
  private readonly columns: Column[];
  private api: GridApi<Row> | undefined;
  private total: number | null = null;
  /** The filters and the search of the number shown, and of the one that is being counted. */
  private countedFor = "";
  private counting = "";
  /** Removals that can be taken back: what they removed, and how to close the toast about it. */
  private readonly removals = new Map<string, { what: string; close: () => void }>();
  private lastRemoval = "";

  private readonly live = make("div", { class: "wb-unseen", role: "status", "aria-live": "polite", "data-testid": "grid-live" });
  private readonly count = make("span", { class: "wb-count", "data-testid": "grid-count" });
  private readonly banner = new Banner();
  private readonly none = make("div", { class: "wb-none", hidden: true });
  private readonly table = make("div", { class: "wb-table", "data-testid": "grid-table" });
  // Popups lie above the page: the boxes that notebooks draw widgets in would cut them off.
  private readonly popups = make("div", { class: "wb wb-grid wb-popups", "data-lm-suppress-shortcuts": "true" });
  private readonly search: HTMLInputElement;
  private readonly removeButton: HTMLButtonElement;
  private readonly changeButton: HTMLButtonElement;
  private readonly undoButton: HTMLButtonElement;
  private readonly widths: Widths;
  private readonly outside: Outside;
  private readonly stopWaiting: () => void;
  /** What the page's address says that is shown, if it says it of this grid. */
  private readonly addressed: Shown;

  constructor(private readonly model: Model, private readonly el: HTMLElement) {
    this.rpc = openRpc(model);
    this.edits = new Edits(this.rpc, this);
    this.columns = model.get<Column[]>("columns");
    this.widths = new Widths(this.columns, this.table);
    this.addressed = fromAddress(model.get<string>("query"), this.columns.map(({ field }) => field));
    this.outside = new Outside(this.table, () => this.api, (row) => this.show(this.edits.fetched(row)));
    const searched = later(SEARCH_MILLISECONDS, () => this.startAgain());
    this.search = make("input", { type: "search", class: "wb-search", placeholder: `Search ${this.plural}…`, "aria-label": `Search ${this.plural}`, "data-testid": "grid-search", input: searched });
    this.removeButton = make("button", { type: "button", class: "wb-button wb-plain", disabled: true, "data-testid": "grid-remove", click: () => void this.remove() }, icon(icons.remove), make("span", {}, "Remove"));
    this.changeButton = make("button", { type: "button", class: "wb-button wb-plain", disabled: true, title: "Change one column of the ticked rows", "data-testid": "grid-change", click: () => void this.change() }, icon(icons.edit), make("span", {}, "Change"));
    this.undoButton = make("button", { type: "button", class: "wb-button wb-plain", hidden: true, "data-testid": "grid-undo", click: () => void this.restore(this.lastRemoval) }, icon(icons.undo), make("span", {}, "Undo"));
    this.search.value = this.addressed.search;
    dress(el, "wb-grid");
    this.table.style.height = model.get<string>("height");
    el.append(this.toolbar(), this.banner.element, make("div", { class: "wb-table-box" }, this.table, this.none), this.live);
    this.rpc.listen((message) => {
      if (message.t === "refresh") this.outside.refresh();
      if (message.t === "row") this.outside.row(message["row"] as Row);
    });
    this.table.addEventListener("copy", (event) => this.copy(event));
    this.table.addEventListener("paste", (event) => this.pasted(event));
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

  async stale(edit: Edit, current: Row): Promise<Entered | "theirs" | ""> {
    return settle({ host: this.el, rpc: this.rpc, noun: this.model.get<string>("noun"), edit, current });
  }

  // Parts

  private get plural(): string {
    return this.model.get<string>("plural");
  }

  /** Give a button for what may be done; it goes when that may be done no more. */
  private whileAllowed(right: "can_add" | "can_remove", button: HTMLElement): HTMLElement | false {
    this.model.on(`change:${right}`, () => (button.hidden = !this.model.get<boolean>(right)));
    return this.model.get<boolean>(right) && button;
  }

  private toolbar(): HTMLElement {
    const add = make("button", { type: "button", class: "wb-button wb-primary", "data-testid": "grid-add", click: () => void this.add() }, icon(icons.add), make("span", {}, `New ${this.model.get<string>("noun")}`));
    const refresh = make("button", { type: "button", class: "wb-button wb-plain wb-square", "aria-label": "Refresh", title: "Refresh", "data-testid": "grid-refresh", click: () => this.api?.refreshInfiniteCache() }, icon(icons.refresh));
    return make(
      "div",
      { class: "wb-toolbar", role: "toolbar", "aria-label": `Actions on ${this.plural}` },
      this.whileAllowed("can_add", add),
      this.columns.some((column) => column.verbs.length > 0) && this.whileAllowed("can_remove", this.changeButton),
      this.whileAllowed("can_remove", this.removeButton),
      this.undoButton,
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
      defaultColDef: { resizable: true, suppressHeaderMenuButton: true, suppressHeaderFilterButton: true, suppressKeyboardEvent: ({ event }) => opens(event) },
      rowModelType: "infinite",
      cacheBlockSize: this.model.get<number>("page_size"),
      maxBlocksInCache: BLOCKS_KEPT,
      maxConcurrentDatasourceRequests: 2,
      blockLoadDebounceMillis: 40,
      infiniteInitialRowCount: 1,
      datasource: { getRows: (params) => void this.fetch(params) },
      enableFilterHandlers: true,
      getRowId: ({ data }) => data.id,
      floatingFiltersHeight: FILTERS_PIXELS,
      selectionColumnDef: { headerName: "Select", headerClass: "wb-select-header" },
      rowSelection: { mode: "multiRow", headerCheckbox: false, checkboxes: this.model.get<boolean>("can_remove"), enableClickSelection: false, isRowSelectable: ({ data }) => data?.["__kept"] !== true, hideDisabledCheckboxes: true },
      // Where nothing is edited, dragging over cells marks their text.
      enableCellTextSelection: !this.columns.some((column) => column.editable),
      rowClassRules: {
        "wb-gone": (p) => Boolean(p.data && this.edits.gone.has(p.data.id)),
        "wb-active": (p) => Boolean(p.data && p.data.id === this.model.get<string>("active")),
      },
      ...(isPlain(this.addressed) ? {} : { initialState: { filter: { filterModel: this.addressed.filters }, sort: { sortModel: this.addressed.sort } } }),
      popupParent: this.popups,
      suppressDragLeaveHidesColumns: true,
      suppressOverlays: ["noRows", "noMatchingRows"],
      stopEditingWhenCellsLoseFocus: false,
      tooltipShowDelay: 250,
      onGridSizeChanged: ({ api }) => this.widths.fill(api),
      onColumnResized: ({ source }) => this.widths.resized(source),
      onCellEditingStopped: () => this.outside.released(),
      onSelectionChanged: ({ api }) => this.selected(api.getSelectedRows().map((row) => row.id)),
      onCellKeyDown: ({ event, data }) => {
        if (event instanceof KeyboardEvent && opens(event) && data && this.model.get<boolean>("can_open")) void this.rpc.call("open", { id: data.id }).catch((why) => this.failed(why));
      },
      onCellFocused: ({ rowIndex, api }) => this.focused(rowIndex == null ? undefined : api.getDisplayedRowAtIndex(rowIndex)?.data),
    };
  }

  private async fetch(params: IGetRowsParams<Row>): Promise<void> {
    const question = this.question(params.filterModel as Record<string, Condition>, params.sortModel);
    toAddress(this.model.get<string>("query"), {
      search: this.search.value.trim(),
      filters: (params.filterModel ?? {}) as Shown["filters"],
      sort: params.sortModel.map(({ colId, sort }) => ({ colId, sort: sort === "desc" ? "desc" : "asc" })),
    });
    const started = performance.now();
    try {
      const count = params.endRow - params.startRow;
      const page = this.sent(params.startRow, count, question) ?? (await this.rpc.call<Page>("page", { start: params.startRow, count, ...question }));
      const reached = params.startRow + page.rows.length;
      const last = page.total ?? page.last ?? (reached < params.endRow ? reached : undefined);
      await this.outside.still(params.startRow, params.endRow);
      this.outside.around(() => params.successCallback(page.rows.map((row) => this.edits.fetched(row)), last));
      this.el.dataset["blockMilliseconds"] = (performance.now() - started).toFixed(0);
      if (this.api) this.widths.seen(this.api, page.rows);
      if (last === undefined) void this.countLater(question);
      else this.counted(last, question);
      this.showUnsaved();
    } catch (why) {
      params.failCallback();
      this.banner.tell(`The ${this.plural} could not be fetched. ${(why as Error).message}`, [["Try again", () => this.startAgain()]]);
    }
  }

  /** The first block may have come with the grid itself; it is taken once, for it grows old. */
  private sent(start: number, count: number, { filters, sort, search }: Question): Page | null {
    const first = this.model.get<Partial<Page> | undefined>("first");
    if (!first?.rows) return null;
    this.model.set("first", {});
    this.model.save_changes();
    const asked = start === 0 && count === this.model.get<number>("page_size") && !filters.length && !sort.length && !search;
    return asked ? (first as Page) : null;
  }

  private question(filterModel: Record<string, Condition> | null, sortModel: { colId: string; sort?: string | null }[]): Question {
    return {
      filters: Object.entries(filterModel ?? {}).map(([field, { test, value }]) => ({ field, test, value })),
      sort: sortModel.map(({ colId, sort }) => ({ field: colId, descending: sort === "desc" })),
      search: this.search.value.trim() || null,
    };
  }

  private startAgain(): void {
    this.banner.tell("");
    if (this.total) this.api?.ensureIndexVisible(0);
    this.api?.purgeInfiniteCache();
  }

  /** Say how many rows there are once the kernel has counted them: rows do not wait for that. */
  private async countLater(question: Question): Promise<void> {
    const asked = narrowing(question);
    if (asked === this.counting) return;
    if (asked !== this.countedFor) this.counted(null, question);
    this.counting = asked;
    try {
      const total = await this.rpc.call<number>("total", { filters: question.filters, search: question.search });
      if (asked !== this.counting) return; // something else is asked by now
      this.api?.setRowCount(total, true);
      this.counted(total, question);
    } catch {
      if (asked === this.counting) this.counting = ""; // the rows are there, and the next block asks again
    }
  }

  private counted(total: number | null, question: Question): void {
    this.total = total;
    this.countedFor = narrowing(question);
    this.counting = "";
    const number = total === null ? "" : new Intl.NumberFormat().format(total);
    const words = total === 1 ? this.model.get<string>("noun") : this.plural;
    this.count.textContent = total === null ? "" : `${number} ${words}`;
    this.none.hidden = total !== 0;
    this.none.textContent = question.filters.length > 0 || question.search !== null ? `No ${this.plural} match.` : `No ${this.plural} yet.`;
  }

  private selected(ids: string[]): void {
    this.removeButton.disabled = this.changeButton.disabled = ids.length === 0;
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
    if (unsaved.length === 0) return this.banner.tell("");
    const spots = unsaved.map((edit) => ({
      where: `${edit.column.title} of ${this.nameOf(this.edits.storedRow(edit.id), edit.id)}`,
      problem: edit.message,
      go: () => void this.visit(edit.id, "", edit.column.field),
    }));
    const lead = unsaved.length === 1 ? "One change is not saved:" : `${unsaved.length} changes are not saved:`;
    this.banner.tell(lead, [["Try again", () => this.edits.retry()], ["Discard", () => this.edits.discard()]], spots);
  }

  // Actions

  private async add(): Promise<void> {
    const row = await askForRow({ host: this.el, rpc: this.rpc, noun: this.model.get<string>("noun"), columns: this.columns, preset: this.model.get<Record<string, unknown>>("preset") });
    if (!row) return;
    this.api?.refreshInfiniteCache();
    this.focused(row);
    await this.visit(row.id, `Added ${this.nameOf(row)}.`, this.naming?.field, row);
  }

  /** Go to a row; where that is not possible say why, and how it can be seen. */
  private async visit(id: string, done: string, field: string | undefined, row = this.edits.storedRow(id)): Promise<void> {
    try {
      const found = await this.goTo(id, field);
      const why = { there: "", hidden: "It does not fit the filter or the search, so it is not shown.", far: "It lies far from here." }[found];
      const action = why && row ? { action: { label: "Show it", run: () => void this.reveal(row) }, seconds: 20 } : {};
      if (done || why) toast(this.el, `${done} ${why}`.trim(), action);
    } catch (why) {
      this.failed(why);
    }
  }

  /** Bring a row into view with the focus in it, in the order and under the filters of now. */
  private async goTo(id: string, field = this.naming?.field ?? ""): Promise<"there" | "hidden" | "far"> {
    const { api } = this;
    if (!api) return "far";
    return jump(api, this.table, this.rpc, this.asked(api), id, field);
  }

  /** What is asked now: filters, search and order. */
  private asked(api: GridApi<Row>): Question {
    const sorted = api.getColumnState().filter(({ sort }) => sort);
    sorted.sort((a, b) => (a.sortIndex ?? 0) - (b.sortIndex ?? 0));
    return this.question(api.getFilterModel() as Record<string, Condition>, sorted);
  }

  /** Show a row that the filters hide, or that lies far off: without filters, else by its name. */
  private async reveal(row: Row): Promise<void> {
    this.search.value = "";
    this.api?.setFilterModel(null);
    this.startAgain();
    const name = this.naming;
    if ((await this.goTo(row.id)) === "there" || !name) return;
    this.search.value = asText(name, row[name.field], row);
    this.startAgain();
    if (this.api) await focusRow(this.api, this.table, row.id, name.field);
  }

  private async change(): Promise<void> {
    const rows = this.api?.getSelectedRows() ?? [];
    const { el: host, rpc, plural, columns } = this;
    const count = await askForChange({ host, rpc, rows, noun: this.model.get<string>("noun"), plural, columns });
    if (count > 0) toast(this.el, `Changed ${count === 1 ? this.nameOf(rows[0], "one row") : `${count} ${plural}`}.`);
  }

  /** Give the ticked rows to a spreadsheet, or the cell with the focus; text that is marked goes first. */
  private copy(event: ClipboardEvent): void {
    const { api } = this;
    if (!api || typing(event) || !getSelection()?.isCollapsed) return;
    const rows = api.getSelectedRows();
    const focus = api.getFocusedCell();
    const column = this.columns.find(({ field }) => field === focus?.column.getColId());
    const row = focus && api.getDisplayedRowAtIndex(focus.rowIndex)?.data;
    const text = rows.length ? copied(api, this.columns, rows) : column && row ? disarmed(asText(column, row[column.field], row)) : null;
    if (text === null) return;
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    if (rows.length) toast(this.el, `Copied ${rows.length === 1 ? `one ${this.model.get<string>("noun")}` : `${rows.length} ${this.plural}`}.`);
  }

  private pasted(event: ClipboardEvent): void {
    const { api, el: host, rpc, plural } = this;
    const text = event.clipboardData?.getData("text/plain");
    if (!api || !text || typing(event) || !this.model.get<boolean>("can_paste")) return;
    event.preventDefault();
    const focus = api.getFocusedCell();
    const shown = shownColumns(api, this.columns).map(({ field }) => field);
    const fields = shown.slice(Math.max(0, shown.indexOf(focus?.column.getColId() ?? "")));
    const start = focus ? focus.rowIndex : -1;
    const ids: string[] = [];
    for (let id; start >= 0 && (id = api.getDisplayedRowAtIndex(start + ids.length)?.data?.id); ) ids.push(id);
    void paste({ host, rpc, noun: this.model.get<string>("noun"), plural, text, fields, start, ids, question: this.asked(api) })
      .then((done) => done && toast(host, `Pasted: ${done}.`))
      .catch((why) => this.failed(why));
  }

  private async remove(): Promise<void> {
    const rows = this.api?.getSelectedRows() ?? [];
    if (rows.length === 0) return;
    const what = rows.length === 1 ? this.nameOf(rows[0]) : `${rows.length} ${this.plural}`;
    try {
      const token = await this.rpc.call<string>("remove", { ids: rows.map((row) => row.id) });
      this.api?.deselectAll();
      this.api?.refreshInfiniteCache();
      const close = toast(this.el, `Removed ${what}.`, { action: { label: "Undo", run: () => void this.restore(token) } });
      this.removals.set(token, { what, close });
      this.lastRemoval = token;
      this.undoButton.hidden = false;
      this.undoButton.title = `Bring back ${what}`;
    } catch (why) {
      this.failed(why);
    }
  }

  private async restore(token: string): Promise<void> {
    const removal = this.removals.get(token);
    if (!removal) return; // there are two buttons for one removal
    this.removals.delete(token);
    removal.close();
    try {
      await this.rpc.call("restore", { token });
      if (token === this.lastRemoval) this.undoButton.hidden = true;
      this.api?.refreshInfiniteCache();
      toast(this.el, `Brought back ${removal.what}.`);
    } catch (why) {
      this.removals.set(token, removal);
      this.failed(why);
    }
  }

  private failed(why: unknown): void {
    if (!(why instanceof Refusal)) throw why;
    toast(this.el, why.message, { bad: true, seconds: 12 });
  }

  /** The column that tells rows apart for people. */
  private get naming(): Column | undefined {
    return this.columns.find((column) => column.kind === "text" && !column.hidden) ?? this.columns[0];
  }

  private nameOf(row: Row | undefined, otherwise = ""): string {
    return row && this.naming ? `“${unturned(asText(this.naming, row[this.naming.field], row))}”` : otherwise;
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

// Edits on their way to the store: sent one after the other per row, kept when refused.
// Nothing is overwritten unseen: an edit carries the version of the row it was made on.
import { Refusal, type Rpc } from "../rpc";
import type { Column, Failure, Row } from "../wire";

/** What an editor hands over: a value, the words for it, or why the text is no value. */
export class Entered {
  constructor(readonly value: unknown, readonly label = "", readonly error = "") {}
}

export interface Edit {
  readonly id: string;
  readonly column: Column;
  value: unknown;
  label: string;
  /** What was stored in the cell when it was edited, and the version of the row. */
  base: unknown;
  version: number;
  message: string;
}

export interface Watcher {
  /** The row as stored now, with edits that are still on their way laid over it. */
  show(row: Row): void;
  /** Cells of this row look different: saving, refused, gone. */
  marked(id: string): void;
  say(text: string): void;
  /** Somebody else saved first; answer what is to be stored, or which value stays. */
  stale(edit: Edit, current: Row): Promise<Entered | "theirs" | "">;
}

export class Edits {
  private readonly edits = new Map<string, Edit>();
  private readonly stored = new Map<string, Row>();
  private readonly queues = new Map<string, Promise<void>>();
  readonly gone = new Map<string, string>();

  constructor(private readonly rpc: Rpc, private readonly watcher: Watcher) {}

  find(id: string, field: string): Edit | undefined {
    return this.edits.get(`${id}/${field}`);
  }

  /** Edits that were refused or could not be sent. */
  get unsaved(): Edit[] {
    return [...this.edits.values()].filter((edit) => edit.message);
  }

  /** The row as stored when it was first edited, or seen since. */
  storedRow(id: string): Row | undefined {
    return this.stored.get(id);
  }

  /** Take an edit of `row`, which must still hold the value as stored. */
  commit(row: Row, column: Column, entered: Entered): void {
    if (!this.stored.has(row.id)) this.stored.set(row.id, { ...row });
    const previous = this.find(row.id, column.field);
    const edit: Edit = { id: row.id, column, value: entered.value, label: entered.label, base: previous ? previous.base : row[column.field], version: previous?.version ?? row.version, message: entered.error };
    this.edits.set(`${row.id}/${column.field}`, edit);
    Object.assign(row, this.overlay(row));
    this.watcher.marked(row.id);
    if (entered.error) this.watcher.say(`${column.title}: ${entered.error}`);
    else this.send(edit);
  }

  retry(): void {
    for (const edit of this.unsaved) {
      edit.message = "";
      this.watcher.marked(edit.id);
      this.send(edit);
    }
  }

  discard(): void {
    for (const edit of this.unsaved) this.drop(edit);
  }

  /** A row that came from the store, as it is to be shown. */
  overlay(row: Row): Row {
    const shown = { ...row };
    for (const edit of this.edits.values()) {
      if (edit.id !== row.id) continue;
      const { field, kind } = edit.column;
      shown[field] = edit.value;
      if (kind !== "reference") continue;
      shown[`${field}__label`] = edit.label;
      shown[`${field}__trashed`] = false;
    }
    return shown;
  }

  /** Note a row that was fetched again. The versions of edits stay: their conflict must show. */
  fetched(row: Row): Row {
    if (this.stored.has(row.id)) this.stored.set(row.id, row);
    this.gone.delete(row.id);
    return this.overlay(row);
  }

  private send(edit: Edit): void {
    const before = this.queues.get(edit.id) ?? Promise.resolve();
    this.queues.set(edit.id, before.then(() => this.save(edit)));
  }

  private async save(edit: Edit): Promise<void> {
    if (this.find(edit.id, edit.column.field) !== edit) return; // a later edit took its place
    const sent = edit.version;
    try {
      const row = await this.rpc.call<Row>("save", { id: edit.id, version: sent, changes: { [edit.column.field]: edit.value } });
      // Our own save moved the row on: the row's other edits stand on the new version now.
      for (const other of this.edits.values()) if (other.id === edit.id && other.version === sent) other.version = row.version;
      this.remove(edit);
      this.keep(row);
      this.watcher.say("Saved.");
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      await this.refused(edit, why.failure);
    }
  }

  private async refused(edit: Edit, failure: Failure): Promise<void> {
    edit.message = failure.problems?.[edit.column.field] ?? failure.message;
    if (failure.kind === "gone") this.gone.set(edit.id, failure.message);
    if (failure.kind === "stale" && failure.current) {
      const { current } = failure;
      // What somebody did to other cells of the row is in nobody's way.
      const clashes = JSON.stringify(current[edit.column.field] ?? null) !== JSON.stringify(edit.base ?? null);
      const keep = clashes ? await this.watcher.stale(edit, current) : new Entered(edit.value, edit.label);
      if (this.stored.has(edit.id)) this.stored.set(edit.id, current);
      if (keep === "theirs") return this.drop(edit);
      if (keep instanceof Entered) {
        edit.value = keep.value;
        edit.label = keep.label;
        edit.version = current.version;
        edit.base = current[edit.column.field];
        edit.message = "";
        this.watcher.show(this.overlay(current));
        return this.save(edit);
      }
    }
    this.watcher.marked(edit.id);
    this.watcher.say(`${edit.column.title}: ${edit.message}`);
  }

  private drop(edit: Edit): void {
    const row = this.stored.get(edit.id);
    this.remove(edit);
    if (row) this.keep(row);
  }

  private keep(row: Row): void {
    if (this.stored.has(row.id)) this.stored.set(row.id, row);
    if (![...this.edits.values()].some((edit) => edit.id === row.id)) this.stored.delete(row.id);
    this.watcher.show(this.overlay(row));
    this.watcher.marked(row.id);
  }

  private remove(edit: Edit): void {
    const key = `${edit.id}/${edit.column.field}`;
    if (this.edits.get(key) === edit) this.edits.delete(key);
  }
}

// What kernel and browser say to each other; the Python side is widgets/source.py and wire.py.

export type Kind =
  | "text" | "long" | "integer" | "number" | "boolean" | "choice"
  | "reference" | "tags" | "json" | "time" | "picture";

export interface Column {
  field: string;
  title: string;
  kind: Kind;
  editable: boolean;
  required: boolean;
  help: string;
  options: string[];
  reference: string | null;
  max_length: number | null;
  minimum: number | null;
  maximum: number | null;
  width: number | null;
  sortable: boolean;
  filterable: boolean;
  hidden: boolean;
  /** What can be done to it in many rows at once. */
  verbs: string[];
}

export type Row = { id: string; version: number } & Record<string, unknown>;

export interface Choice {
  value: string;
  label: string;
  detail: string;
}

export interface Filter {
  field: string;
  test: "contains" | "equals" | "between" | "empty" | "not_empty";
  value?: unknown;
}

export interface Page {
  rows: Row[];
  total: number | null;
  last: number | null;
}

export interface Failure {
  kind: "refused" | "stale" | "gone" | "unavailable" | "unexpected";
  message: string;
  field: string | null;
  problems?: Record<string, string>;
  current?: Row;
}

/** The part of an anywidget model that we use. */
export interface Model {
  get<T>(name: string): T;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, listener: (...args: never[]) => void): void;
  off(event: string, listener: (...args: never[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

export interface Context {
  model: Model;
  el: HTMLElement;
}

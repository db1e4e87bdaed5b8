// What a grid shows, in the address of its page: a reload, Back and a link come back to it.
import type { Condition } from "./filters";

const NAME = "#show=";

export interface Shown {
  search: string;
  filters: Record<string, Condition>;
  sort: { colId: string; sort: "asc" | "desc" }[];
}

/** Whether all rows are shown, in their usual order. */
export const isPlain = (shown: Shown): boolean => !shown.search && !shown.sort.length && !Object.keys(shown.filters).length;

const isOf = (query: string): boolean => query !== "" && location.search === `?${query}`;

/** What the address says of the page with `query`; nothing, if it says nothing that can be read. */
export function fromAddress(query: string, columns: string[]): Shown {
  const shown: Shown = { search: "", filters: {}, sort: [] };
  if (!isOf(query) || !location.hash.startsWith(NAME)) return shown;
  try {
    const said = JSON.parse(decodeURIComponent(location.hash.slice(NAME.length))) as Partial<Record<keyof Shown, unknown>>;
    if (typeof said.search === "string") shown.search = said.search;
    for (const [field, condition] of Object.entries((said.filters ?? {}) as Record<string, Condition>))
      if (columns.includes(field) && typeof condition?.test === "string") shown.filters[field] = condition;
    for (const one of Array.isArray(said.sort) ? (said.sort as Shown["sort"]) : [])
      if (columns.includes(one?.colId)) shown.sort.push({ colId: one.colId, sort: one.sort === "desc" ? "desc" : "asc" });
  } catch {
    // a link that was cut off says nothing
  }
  return shown;
}

/** Say it in the address, if the browser is at the page with `query` still. */
export function toAddress(query: string, shown: Shown): void {
  if (!isOf(query)) return;
  const hash = isPlain(shown) ? "" : NAME + encodeURIComponent(JSON.stringify(shown));
  if (hash !== location.hash) history.replaceState(history.state, "", location.pathname + location.search + hash);
}

// Cells from and to a spreadsheet: tab-separated lines, as every spreadsheet writes and reads them.
import type { GridApi } from "ag-grid-community";
import { make } from "../dom";
import { ask } from "../messages";
import type { Rpc } from "../rpc";
import { asText, unturned } from "../values";
import type { Column, Row } from "../wire";
import type { Question } from "./jump";

const MOST_CHARACTERS = 8_000_000;
const MOST_LINES = 10_000;

interface Planned {
  number: number;
  added: number;
  changed: number;
  unchanged: number;
  cells: number;
  shown: [string, string, string, string][];
  names: string[];
  problems: string[];
  more_problems: number;
}

export interface Pasting {
  host: HTMLElement;
  rpc: Rpc;
  noun: string;
  plural: string;
  text: string;
  fields: string[];
  /** The place of the row with the focus, -1 if none has it, and the ids of the rows from there on. */
  start: number;
  ids: string[];
  question: Question;
}

const QUOTED = /^"(?:[^"]|"")*"$/;

/** The cells of tab-separated lines; quotes hold line ends, tabs and doubled quotes. */
export function cellsOf(text: string): string[][] {
  const lines: string[][] = [[]];
  const cell = /("(?:[^"]|"")*"|[^\t\r\n]*)(\t|\r\n|\n|\r|$)/gy;
  for (;;) {
    const found = cell.exec(text);
    if (!found) return [[text]]; // a quote that never ends: all of it is one cell
    const [, said, end] = found;
    const line = lines[lines.length - 1]!;
    line.push(QUOTED.test(said!) ? said!.slice(1, -1).replaceAll('""', '"') : said!);
    if (cell.lastIndex >= text.length) {
      if (end === "\t") line.push("");
      return lines;
    }
    if (end !== "\t") lines.push([]);
  }
}

const BLANK = "\\u0001-\\u0020\\u007f\\u0085\\u00a0\\u00ad\\u034f\\u061c\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ufeff";
const FORMULA = new RegExp(`^'*(?:[${BLANK}]*[=+@\\uff1d\\uff0b\\uff20\\u2212\\uff0d-]|[\\t\\r\\n])`);
const NUMBER = /^[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?$/;

/** A text that a spreadsheet would run, marked as text; as in the files that are exported. */
export const disarmed = (cell: string): string => (FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell);

/** Tab-separated lines of `cells`, which `cellsOf` gives back. */
export const linesOf = (cells: string[][]): string =>
  cells.map((line) => line.map((cell) => (/[\t\r\n"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join("\t")).join("\n");

/** The rows as cells with the columns' titles above; of columns that nobody edits none, if others are. */
export function copied(api: GridApi<Row>, columns: Column[], rows: Row[]): string {
  const seen = shownColumns(api, columns);
  const some = seen.some((column) => column.editable) ? seen.filter((column) => column.editable) : seen;
  return linesOf([some.map((column) => column.title), ...rows.map((row) => some.map((column) => disarmed(asText(column, row[column.field], row))))]);
}

export function shownColumns(api: GridApi<Row>, columns: Column[]): Column[] {
  return api.getAllDisplayedColumns().flatMap((shown) => columns.find((column) => column.field === shown.getColId()) ?? []);
}

/** Show what pasting would do, and do it if that is wanted; gives the words for what was done. */
export async function paste({ host, rpc, noun, plural, text, fields, start, ids, question }: Pasting): Promise<string> {
  const cells = text.length > MOST_CHARACTERS ? [] : cellsOf(text.replace(/(\r\n|\n|\r)$/, ""));
  const rows = (count: number) => `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
  if (text.length > MOST_CHARACTERS || cells.length > MOST_LINES) {
    await ask(host, "This is too much to paste", [make("p", {}, `At most ${MOST_LINES.toLocaleString("en")} lines and ${MOST_CHARACTERS / 1e6} million characters are pasted at once. Import them as a file.`)], [{ label: "Close", value: "" }]);
    return "";
  }
  const plan = await rpc.call<Planned>("paste", { cells, fields, start, ids: ids.slice(0, cells.length), ...question });
  const does = [plan.changed && `change ${rows(plan.changed)}`, plan.added && `add ${rows(plan.added)}`].filter(Boolean).join(" and ");
  const words = does ? `This would ${does}.` : "This would change nothing.";
  const stays = plan.unchanged ? ` ${rows(plan.unchanged)} would stay as they are.` : "";
  const lines = plan.shown.map(([name, column, before, after]) =>
    make("li", {}, make("strong", {}, unturned(name)), ` ${column}: `, make("span", { class: "wb-before" }, unturned(before) || "empty"), " → ", make("span", {}, unturned(after) || "empty")),
  );
  const more = plan.cells - lines.length;
  const added = plan.names.map((name) => make("li", {}, "New: ", make("strong", {}, unturned(name) || "(no name)")));
  const problems = plan.problems.map((problem) => make("li", {}, unturned(problem)));
  const bad = problems.length > 0;
  const body = [
    make("p", { "data-testid": "paste-plan" }, bad ? "Nothing can be pasted before this is mended:" : words + stays),
    bad
      ? make("ul", { class: "wb-problem", "data-testid": "paste-problems" }, ...problems, plan.more_problems > 0 && make("li", {}, `… and ${plan.more_problems.toLocaleString("en")} more problems.`))
      : make("ul", {}, ...lines, more > 0 && make("li", {}, `… and ${more.toLocaleString("en")} more cells`), ...added, plan.added > added.length && make("li", {}, `… and ${rows(plan.added - added.length)} more`)),
  ];
  const go = does ? does[0]!.toUpperCase() + does.slice(1) : "";
  const answer = await ask(host, `Paste ${cells.length === 1 ? "one line" : `${cells.length.toLocaleString("en")} lines`}`, [make("div", { class: "wb-bulk-plan" }, ...body)], [
    { label: bad || !does ? "Close" : "Cancel", value: "" },
    ...(bad || !does ? [] : [{ label: go, value: "go", style: "primary" as const }]),
  ]);
  if (answer !== "go") return "";
  await rpc.call("paste_now", { number: plan.number });
  return [plan.changed && `changed ${rows(plan.changed)}`, plan.added && `added ${rows(plan.added)}`].filter(Boolean).join(", ");
}

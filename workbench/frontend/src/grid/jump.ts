// Going to one row, wherever it sorts: the kernel knows where, the engine has few of the rows.
import type { GridApi } from "ag-grid-community";
import type { Rpc } from "../rpc";
import type { Filter, Row } from "../wire";

/** Which rows are shown, and in which order. */
export interface Question {
  sort: { field: string; descending: boolean }[];
  filters: Filter[];
  search: string | null;
}

const WAIT_MILLISECONDS = 10_000;

/** Show a row with the focus in it: "there"; "hidden" by the filters, or too "far" to be found. */
export async function jump(api: GridApi<Row>, table: Element, rpc: Rpc, question: Question, id: string, field: string): Promise<"there" | "hidden" | "far"> {
  const { fits, index } = await rpc.call<{ fits: boolean; index: number | null }>("place", { id, ...question });
  if (!fits) return "hidden";
  if (index === null) return "far";
  if (index >= api.getDisplayedRowCount()) api.setRowCount(index + 1);
  api.ensureIndexVisible(index, "middle");
  return (await focusRow(api, table, id, field)) ? "there" : "far";
}

/** Put the focus into a row once it is fetched and drawn; false if it does not come. */
export async function focusRow(api: GridApi<Row>, table: Element, id: string, field: string): Promise<boolean> {
  const cell = `.ag-row[row-id="${CSS.escape(id)}"] [col-id="${CSS.escape(field)}"]`;
  const until = performance.now() + WAIT_MILLISECONDS;
  while (performance.now() < until) {
    const index = api.getRowNode(id)?.rowIndex;
    if (index != null) {
      api.ensureIndexVisible(index);
      api.ensureColumnVisible(field);
      const drawn = table.querySelector(cell);
      if (drawn) api.setFocusedCell(index, field);
      if (drawn && drawn === document.activeElement) return true;
    }
    await new Promise(requestAnimationFrame);
  }
  return false;
}

// Two people changed one cell: both values side by side, and what is to be stored, to edit.
import { make, newId } from "../dom";
import { ask, compare } from "../messages";
import type { Rpc } from "../rpc";
import { asEditText, asText, fromText } from "../values";
import type { Row } from "../wire";
import { type Edit, Entered } from "./edits";

export interface Clash {
  host: HTMLElement;
  rpc: Rpc;
  noun: string;
  edit: Edit;
  current: Row;
}

const TYPED = ["text", "long", "tags"];

/** Ask what is to be stored: a value, "theirs" as it is, or "" for deciding later. */
export async function settle({ host, rpc, noun, edit, current }: Clash): Promise<Entered | "theirs" | ""> {
  const { column } = edit;
  const { field, kind } = column;
  const mine = asText(column, edit.value, { ...current, [`${field}__label`]: edit.label });
  const both = await rpc.call<unknown>("combine", { field, base: edit.base, mine: edit.value, theirs: current[field] }).catch(() => null);
  const parts: Node[] = [make("p", {}, "Nothing was overwritten. What should stay?"), compare(column.title, mine, asText(column, current[field], current))];
  let read = () => new Entered(edit.value, edit.label);
  if (TYPED.includes(kind)) {
    const id = newId();
    const area = make("textarea", { id, rows: kind === "long" ? 6 : 2, maxlength: kind === "tags" ? null : column.max_length, "data-testid": "value-merged" });
    area.value = asEditText(column, both ?? edit.value);
    const words = both === null ? "To be saved: yours, which you may change" : "To be saved: both changes, which you may change";
    parts.push(make("div", { class: "wb-field" }, make("label", { for: id }, words), area));
    read = () => new Entered(fromText(column, kind === "text" ? area.value.replaceAll("\n", " ") : area.value));
  }
  const together = both !== null && !TYPED.includes(kind);
  const answer = await ask(host, `Somebody else changed this ${noun} meanwhile`, parts, [
    { label: "Keep theirs", value: "theirs" },
    ...(together ? [{ label: "Save both", value: "both" }] : []),
    { label: both === null || together ? "Save mine" : "Save both", value: "mine", style: "primary" },
  ]);
  if (answer === "both") return new Entered(both);
  return answer === "mine" ? read() : (answer as "theirs" | "");
}

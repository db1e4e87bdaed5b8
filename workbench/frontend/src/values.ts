// How a value of each kind reads, and how typed text becomes a value again.
import type { Column, Row } from "./wire";

export const isEmpty = (value: unknown): boolean =>
  value == null || value === "" || (Array.isArray(value) && value.length === 0);

const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** Text as it stands among other words: without marks that turn what follows them, see `unturned` in Python. */
export const unturned = (text: string): string => text.replace(TURNS, "");

const timeWords = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function asText(column: Column, value: unknown, row?: Row): string {
  if (column.kind === "reference") {
    if (value == null || value === "") return "";
    return String(row?.[`${column.field}__label`] ?? value);
  }
  if (value == null) return "";
  switch (column.kind) {
    case "tags":
      return Array.isArray(value) ? value.join(", ") : String(value);
    case "json":
      return typeof value === "string" ? value : JSON.stringify(value);
    case "boolean":
      return value ? "yes" : "no";
    case "time": {
      const time = new Date(String(value));
      return Number.isNaN(time.valueOf()) ? String(value) : timeWords.format(time);
    }
    default:
      return String(value);
  }
}

/** The value that `text` means; throws a sentence when it means none. */
export function fromText(column: Column, text: string): unknown {
  const bare = text.trim();
  switch (column.kind) {
    case "integer":
    case "number": {
      if (bare === "") return null;
      const number = Number(bare.replace(/^(-?\d+),(\d+)$/, "$1.$2"));
      if (!Number.isFinite(number)) throw new Error(`“${bare}” is not a number.`);
      if (column.kind === "integer" && !Number.isInteger(number)) throw new Error(`“${bare}” is not a whole number.`);
      return number;
    }
    case "tags":
      return [...new Set(bare.split(/[;,]/).map((tag) => tag.trim()).filter(Boolean))];
    case "json":
      if (bare === "") return {};
      try {
        return JSON.parse(bare) as unknown;
      } catch (why) {
        throw new Error(`This is not valid JSON (${(why as Error).message}). Example: {"age": 14}`);
      }
    case "boolean":
      return bare === "true";
    default:
      return text === "" ? null : text;
  }
}

export function asEditText(column: Column, value: unknown): string {
  if (value == null) return "";
  if (column.kind === "tags") return Array.isArray(value) ? value.join(", ") : String(value);
  if (column.kind === "json") {
    if (typeof value === "string") return value;
    return Object.keys(value as object).length ? JSON.stringify(value, null, 2) : "";
  }
  return String(value);
}

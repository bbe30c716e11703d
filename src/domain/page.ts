import { OffingError } from "../contract/errors.ts";

/** A cursor is opaque and URL-safe: the sort key of the last item seen. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

export function decodeCursor(cursor: string | undefined, parts: number): readonly string[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (
      Array.isArray(value) &&
      value.length === parts &&
      value.every((part) => typeof part === "string" && !part.includes("\0"))
    )
      return value;
  } catch {
    // Told below.
  }
  throw badCursor();
}

/** A place in a list that is sorted by time, then id. */
export interface Moment {
  readonly at: Date;
  readonly id: string;
}

export function decodeMoment(cursor: string | undefined): Moment | undefined {
  const parts = decodeCursor(cursor, 2);
  if (parts === undefined) return undefined;
  const at = new Date(parts[0]!);
  if (Number.isNaN(at.getTime())) throw badCursor();
  return { at, id: parts[1]! };
}

function badCursor(): OffingError {
  return new OffingError("invalid", "this cursor is not one that Offing gave out", {
    hint: "begin without a cursor",
  });
}

/** Cuts a list read with one row more than asked for into a page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  key: (row: Row) => readonly string[],
): { items: Item[]; nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(key(last)) : null,
  };
}

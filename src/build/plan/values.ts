/** Values of TOML and JSON that strangers wrote, taken for what they are or for nothing. */

/** A table; an empty one for anything else. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** A text, or null. */
export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The texts of a list; an empty list for anything else. */
export function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** The number, from 1, of the first line that has these words; 1 where none has. */
export function lineOf(source: string, words: string): number {
  const at = source.indexOf(words);
  return at < 0 ? 1 : source.slice(0, at).split("\n").length;
}

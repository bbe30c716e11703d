/** JSON text that PostgreSQL takes whatever strings are in it: it knows neither NUL nor lone surrogates. */
export function storableJson(value: unknown): string {
  // JSON.stringify escapes NUL and lone surrogates, and surrogates only when they are alone.
  return JSON.stringify(value).replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (all, escape: string) =>
    escape === "u0000" ? "\\\\0" : escape.length === 5 ? "\ufffd" : all,
  );
}

/** A text that PostgreSQL takes, whatever is in it. */
export function storableText<T extends string | null>(text: T): T {
  return (text === null ? null : text.replaceAll("\0", "\\0").toWellFormed()) as T;
}

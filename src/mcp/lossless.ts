type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** JSON's source text access (ECMA-262, 25.5.1), which the compiler's library does not know. */
const json = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON(text: string): unknown;
};

/** Fewer digits than these are exact in every number of JavaScript. */
const LONG = /\d{16}/;
const DIGITS = /\d/g;

/** Whether JSON text may hold a number that JavaScript cannot. */
export function isLossy(text: string): boolean {
  return LONG.test(text);
}

/**
 * As JSON.parse, save that a number that JavaScript cannot hold is kept as it
 * is written: `JSON.stringify` of the value gives the same number. Such a
 * number is an opaque object, so nothing may be decided by it.
 */
export function parseLossless(text: string): unknown {
  if (!isLossy(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) => {
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    return (source.match(DIGITS)?.length ?? 0) < 16 ? value : json.rawJSON(source);
  });
}

import { randomText } from "../lib/ids.ts";

/** JSON's source text access (ECMA-262, 25.5.1), which the compiler's library does not know. */
const json = JSON as unknown as { rawJSON(text: string): unknown };

/** Levels that text may nest: far fewer than take a recursion, JSON.stringify's too, to the stack's end. */
export const DEEPEST = 512;

/** Numbers with fewer digits, and exponents of fewer, are exact in JavaScript. */
const LOSSY = /\d[\d.]{15}|\de[+-]?\d{3}/i;
/** The fewest characters of a number that is lossy. */
const SHORTEST = "1e400".length;

/** The only key of an object that stands for a number until it is read; nobody else can know it. */
const KEY = randomText(16);
const OPENING = `{"${KEY}":`;

/** Whether JSON text may hold a number that JavaScript cannot. */
export function isLossy(text: string): boolean {
  return LOSSY.test(text);
}

/** As JSON.parse; throws a RangeError where the text nests deeper than DEEPEST levels. */
export function parseBounded(text: string): unknown {
  scan(text);
  return JSON.parse(text);
}

/**
 * As `parseBounded`, save that a number that JavaScript cannot hold is kept as
 * it is written: `JSON.stringify` of the value gives the same number. Such a
 * number is an opaque object, so nothing may be decided by it.
 *
 * Not by a reviver: called for each value with its source, it takes fifty times as
 * long as parsing does, and whoever sends one long number chooses it.
 */
export function parseLossless(text: string): unknown {
  if (!isLossy(text)) return parseBounded(text);
  const pieces: string[] = [];
  const numbers: unknown[] = [];
  let from = 0;
  scan(text, (start, end) => {
    const number = text.slice(start, end);
    if (!LOSSY.test(number) || String(Number(number)) === number) return;
    // Throws where it is no number of JSON's.
    const at = numbers.push(json.rawJSON(number)) - 1;
    pieces.push(text.slice(from, start), OPENING, String(at), "}");
    from = end;
  });
  if (from === 0) return JSON.parse(text);
  return restored(JSON.parse(pieces.join("") + text.slice(from)), numbers);
}

/** Walks over JSON text once, bounding how deep it nests. `long`: told where each number that may be lossy stands. */
function scan(text: string, long?: (start: number, end: number) => void): void {
  const { length } = text;
  let depth = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) {
      for (i++; i < length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === 34) break;
        if (inner === 92) i++;
      }
    } else if (code === 123 || code === 91) {
      if (++depth > DEEPEST) throw new RangeError(`The text nests deeper than ${DEEPEST} levels.`);
    } else if (code === 125 || code === 93) depth--;
    else if (long !== undefined && (code === 45 || isDigit(code))) {
      const start = i;
      while (isWithinNumber(text.charCodeAt(i + 1))) i++;
      if (i + 1 - start >= SHORTEST) long(start, i + 1);
    }
  }
}

/** A value with its numbers in the places of the objects that stand for them; changed in place. */
function restored(value: unknown, numbers: readonly unknown[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const members = value as Record<string | number, unknown>;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (typeof members[i] === "object") members[i] = restored(members[i], numbers);
    }
    return value;
  }
  const at = members[KEY];
  if (typeof at === "number") return numbers[at];
  for (const key in members) {
    if (typeof members[key] === "object") members[key] = restored(members[key], numbers);
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Digits, signs, the point, and the exponent's letter. */
function isWithinNumber(code: number): boolean {
  return isDigit(code) || code === 45 || code === 43 || code === 46 || code === 101 || code === 69;
}

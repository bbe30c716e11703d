import { randomFillSync } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The prefix of an id names its noun, so that an id in a log says what it is. */
export type IdPrefix =
  | "org"
  | "usr"
  | "svc"
  | "key"
  | "srv"
  | "bld"
  | "dep"
  | "ins"
  | "req"
  | "lin"
  | "ses"
  | "prc"
  | "upl"
  | "lnk"
  | "web"
  | "set";

/**
 * A new id: prefix, `_`, then 26 characters of Crockford base 32: 48 bits of
 * milliseconds (ids of one noun sort by age) and 80 random bits.
 */
export function newId(prefix: IdPrefix, now = Date.now()): string {
  return `${prefix}_${base32(now, 10)}${randomText(16)}`;
}

function base32(value: number, length: number): string {
  let text = "";
  for (let i = 0, rest = value; i < length; i++, rest = Math.floor(rest / 32)) {
    text = ALPHABET[rest % 32]! + text;
  }
  return text;
}

/** Ids that sort in the order they were made, also within one millisecond of `at`. */
export function orderedIds(prefix: IdPrefix): (at: number) => string {
  let made = 0;
  return (at) => `${prefix}_${base32(at, 10)}${base32(made++, 6)}${randomText(10)}`;
}

/** Asking the kernel for many bytes at once costs little more than for a few. */
const pool = Buffer.allocUnsafe(4096);
let next = pool.length;

/** `length` random characters, 5 bits each; at most 4096. */
export function randomText(length: number): string {
  if (next + length > pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  const start = next;
  next += length;
  for (let i = start; i < next; i++) pool[i] = ALPHABET.charCodeAt(pool[i]! & 31);
  // What a byte was is gone with this; each is given out once.
  const text = pool.toString("latin1", start, next);
  pool.fill(0, start, next);
  return text;
}

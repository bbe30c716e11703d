import { randomInt } from "node:crypto";

/** Characters of a fragment: what is shortened or taken apart still shows so many in a row. */
export const FRAGMENT = 12;
/** Fewer characters that are no space, rule or dot: the indentation or the ruler of any text. */
const FEWEST_SOLID = 5;

/**
 * Which fragments of some texts have an owner, and whose. A fragment is kept as two hashes of 32 bits in a table of
 * fixed size (some 20 bytes per character), so that 512 KiB take a fraction of a second; hashes that fall together hide twelve
 * characters too many, and their bases are drawn for each table, so that nobody can plan for it.
 */
export class Fragments {
  readonly #mask: number;
  readonly #first: Uint32Array;
  readonly #second: Uint32Array;
  /** From 1; 0: free. */
  readonly #owners: Uint16Array;
  readonly #hash = new Rolling();

  /** `characters`: of all texts that will be added. */
  constructor(characters: number) {
    const size = 2 ** Math.ceil(Math.log2(2 * characters + 16));
    this.#mask = size - 1;
    this.#first = new Uint32Array(size);
    this.#second = new Uint32Array(size);
    this.#owners = new Uint16Array(size);
  }

  /** Fragments that have an owner already keep it. */
  add(text: string, owner: number): void {
    this.#hash.over(text, (_from, first, second, solid) => {
      if (solid < FEWEST_SOLID) return;
      const slot = this.#slot(first, second);
      if (this.#owners[slot] !== 0) return;
      this.#first[slot] = first;
      this.#second[slot] = second;
      this.#owners[slot] = owner + 1;
    });
  }

  /** Each place of the text where a fragment begins that has an owner. */
  find(text: string, found: (from: number, owner: number) => void): void {
    this.#hash.over(text, (from, first, second) => {
      const owner = this.#owners[this.#slot(first, second)]!;
      if (owner !== 0) found(from, owner - 1);
    });
  }

  #slot(first: number, second: number): number {
    let slot = first & this.#mask;
    while (
      this.#owners[slot] !== 0 &&
      (this.#first[slot] !== first >>> 0 || this.#second[slot] !== second >>> 0)
    )
      slot = (slot + 1) & this.#mask;
    return slot;
  }
}

/** The hashes of every fragment of a text, each from the one before (Karp and Rabin, 1987). */
class Rolling {
  readonly #bases = [base(), base()] as const;
  readonly #drops = this.#bases.map((each) => {
    let power = 1;
    for (let n = 0; n < FRAGMENT; n++) power = Math.imul(power, each);
    return power;
  }) as [number, number];

  over(text: string, visit: (from: number, first: number, second: number, solid: number) => void): void {
    const [a, b] = this.#bases;
    const [dropA, dropB] = this.#drops;
    let first = 0;
    let second = 0;
    let solid = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at) + 1;
      first = (Math.imul(first, a) + code) | 0;
      second = (Math.imul(second, b) + code) | 0;
      if (isSolid(code - 1)) solid++;
      if (at >= FRAGMENT) {
        const gone = text.charCodeAt(at - FRAGMENT) + 1;
        first = (first - Math.imul(gone, dropA)) | 0;
        second = (second - Math.imul(gone, dropB)) | 0;
        if (isSolid(gone - 1)) solid--;
      }
      if (at >= FRAGMENT - 1) visit(at - FRAGMENT + 1, mixed(first), mixed(second), solid);
    }
  }
}

function base(): number {
  return randomInt(2 ** 16, 2 ** 31) * 2 + 1;
}

/** The low bits choose a slot, so that they have to depend on all (murmur3's finalizer). */
function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  return h ^ (h >>> 13);
}

/** Whether this UTF-16 unit says something: no control, space, `-`, `=`, `*`, `#`, `_` or `.`. */
function isSolid(code: number): boolean {
  return code > 32 && code !== 45 && code !== 61 && code !== 42 && code !== 35 && code !== 95 && code !== 46;
}

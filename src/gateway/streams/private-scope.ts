/** The member whose value says who may share a result; within JSON's strings its quotes are escaped. */
const KEY = Buffer.from('"cacheScope"');
/** With as much space as is looked for. */
const SHARED = /^"cacheScope"\s{0,8}:\s{0,8}"public"/;
/** All that there is yet of what may become those words; JSON that is whole never ends so, and none of it is held. */
const BEGUN = /^"cacheScope"\s{0,8}(?::\s{0,8}(?:"(?:p(?:u(?:b(?:l(?:ic?)?)?)?)?)?)?)?$/;
const LONGEST = KEY.length + '"public"'.length + 17;
const OWN = Buffer.from('"cacheScope":"private"');

/** Whether JSON text may say that every user may share what it holds. */
export function maySayPublic(text: string): boolean {
  return text.includes('"public"');
}

/**
 * Passes JSON on piece by piece, unread save that a result which says that any
 * user may share it is private: what was answered after a decision on one
 * principal is that principal's (2026-07-28, server/utilities/caching). Seen are
 * the words as servers write them: with letters that are escaped, or more than
 * eight spaces on a side of the colon, a server has its own data shared.
 */
export class PrivateScope {
  /** What may begin the words, held until the next piece tells. */
  #held: Buffer = Buffer.alloc(0);

  /** What can be passed on of a piece and of what is held. */
  push(piece: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const made: Buffer[] = [];
    let from = 0;
    let next = bytes.indexOf(KEY);
    for (; next >= 0; next = bytes.indexOf(KEY, next + KEY.length)) {
      const text = bytes.toString("latin1", next, next + LONGEST);
      const words = SHARED.exec(text)?.[0];
      if (words !== undefined) {
        made.push(bytes.subarray(from, next), OWN);
        from = next + words.length;
      } else if (BEGUN.test(text)) break;
    }
    const end = next >= 0 ? next : begunAt(bytes, from);
    this.#held = bytes.subarray(end);
    const rest = bytes.subarray(from, end);
    return made.length === 0 ? rest : Buffer.concat([...made, rest]);
  }

  /** What is held still; nothing more comes. */
  end(): Buffer {
    const held = this.#held;
    this.#held = held.subarray(held.length);
    return held;
  }

  /** All of a text at once. */
  whole(bytes: Buffer): Buffer {
    const made = this.push(bytes);
    return this.#held.length === 0 ? made : Buffer.concat([made, this.end()]);
  }
}

/** Where a key begins that bytes end within; their length where none does. */
function begunAt(bytes: Buffer, from: number): number {
  const at = bytes.lastIndexOf(34);
  const rest = bytes.length - at;
  const begins = at >= from && rest < KEY.length && bytes.compare(KEY, 0, rest, at) === 0;
  return begins ? at : bytes.length;
}

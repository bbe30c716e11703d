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

/** Characters that are looked at for the lines of one text; past them, lines are told no more. */
const MOST_LOOKED = 16 * 1024 ** 2;
/** As much of the words as is looked for. */
const LONGEST_LOOKED = 100;

/**
 * Tells the number, from 1, of the line that has the words; 1 where none has. It
 * looks on from where it found the last ones, then from the beginning: entries
 * that are asked for in their order take time in proportion to the text.
 */
export function lineFinder(source: string): (words: string) => number {
  let ends: number[] | undefined;
  let from = 0;
  let left = MOST_LOOKED;
  const look = (words: string, start: number): number => {
    const at = source.indexOf(words, start);
    left -= (at < 0 ? source.length : at) - start;
    return at;
  };
  return (words) => {
    if (left <= 0) return 1;
    const begin = words.slice(0, LONGEST_LOOKED);
    let at = look(begin, from);
    if (at < 0 && from > 0) at = look(begin, 0);
    if (at < 0) return 1;
    from = at;
    ends ??= endsOf(source);
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

function endsOf(source: string): number[] {
  const found: number[] = [];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) found.push(at);
  return found;
}

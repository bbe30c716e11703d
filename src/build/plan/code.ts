/**
 * Python source with every comment and every string's content blanked, its
 * lines kept: what is left of a word in it is code. An f-string's expressions
 * go with it. Linear in the length, for any text.
 */
export function codeOf(text: string): string {
  let out = "";
  let at = 0;
  const source = text.replace(/^\uFEFF/, "");
  for (;;) {
    const next = nextOf(source, at);
    if (next < 0) return out + source.slice(at);
    out += source.slice(at, next);
    if (source[next] === "#") {
      const end = source.indexOf("\n", next);
      at = end < 0 ? source.length : end;
      continue;
    }
    const end = endOfString(source, next);
    out += `"${"\n".repeat(linesOf(source, next, end))}"`;
    at = end;
  }
}

/** The number, from 1, of the line that position `at` is on. */
export function lineAt(text: string, at: number): number {
  return linesOf(text, 0, at) + 1;
}

function nextOf(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const char = source[at];
    if (char === "#" || char === '"' || char === "'") return at;
  }
  return -1;
}

/** Where the string that begins at `start` has ended. One that is not closed ends with its line, or the text. */
function endOfString(source: string, start: number): number {
  const quote = source[start] ?? '"';
  const long = source.startsWith(quote.repeat(3), start);
  const close = long ? quote.repeat(3) : quote;
  for (let at = start + close.length; at < source.length; at++) {
    const char = source[at];
    if (char === "\\") at++;
    else if (!long && char === "\n") return at;
    else if (char === quote && source.startsWith(close, at)) return at + close.length;
  }
  return source.length;
}

function linesOf(text: string, from: number, to: number): number {
  let count = 0;
  // Never past `to`: looking for a line's end that is far away, for each of many strings, would take minutes.
  for (let at = from; at < to; at++) if (text[at] === "\n") count++;
  return count;
}

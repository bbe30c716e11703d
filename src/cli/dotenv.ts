import { UsageError } from "./context.ts";

const BEGIN = /^\s*(?:export\s+)?([^\s=#]+)\s*=[ \t]*/;

/**
 * Reads `KEY=VALUE` lines as .env files have them: `#` comments, `export`,
 * values in single quotes and backticks (as they are) and double quotes (with
 * \n, \", \\), all over several lines. Nothing is expanded. Throws a UsageError that names
 * the line, and never what stands in it.
 */
export function readDotenv(text: string): Record<string, string> {
  const values = Object.create(null) as Record<string, string>;
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (/^\s*(#|$)/.test(line)) continue;
    const begin = BEGIN.exec(line);
    if (begin === null) throw new UsageError(`line ${at + 1} is not KEY=VALUE`);
    const rest = line.slice(begin[0].length);
    const quote = rest[0];
    if (quote !== '"' && quote !== "'" && quote !== "`") {
      // With the white space before it: `A= # comment` is empty, `A=#channel` is not.
      values[begin[1]!] = line.slice(begin[0].trimEnd().length).split(/\s#/, 1)[0]!.trim();
      continue;
    }
    const first = at;
    const body: string[] = [];
    let last = rest.slice(1);
    let end = closing(last, quote);
    // A backslash at a line's end stands before its end, which nothing has to escape: each line is looked at once.
    while (end === -1 && at + 1 < lines.length) {
      body.push(last);
      last = lines[++at]!;
      end = closing(last, quote);
    }
    if (end === -1) throw new UsageError(`the quote that begins in line ${first + 1} has no end`);
    if (!/^\s*(#.*)?$/.test(last.slice(end + 1)))
      throw new UsageError(`line ${at + 1} goes on after its closing quote`);
    const value = [...body, last.slice(0, end)].join("\n");
    values[begin[1]!] =
      quote !== '"' ? value : value.replace(/\\([nrt"\\$])/g, (_, c: string) => escapes[c] ?? c);
  }
  return values;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function closing(body: string, quote: string): number {
  for (let at = 0; at < body.length; at++) {
    if (quote === '"' && body[at] === "\\") at++;
    else if (body[at] === quote) return at;
  }
  return -1;
}

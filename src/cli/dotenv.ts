import { UsageError } from "./context.ts";

const BEGIN = /^\s*(?:export\s+)?([^\s=#]+)\s*=[ \t]*/;

/**
 * Reads `KEY=VALUE` lines as .env files have them: `#` comments, `export`,
 * values in single quotes (as they are) and double quotes (with \n, \", \\),
 * both over several lines. Nothing is expanded. Throws a UsageError that names
 * the line, and never what stands in it.
 */
export function readDotenv(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (/^\s*(#|$)/.test(line)) continue;
    const begin = BEGIN.exec(line);
    if (begin === null) throw new UsageError(`line ${at + 1} is not KEY=VALUE`);
    const rest = line.slice(begin[0].length);
    const quote = rest[0];
    if (quote !== '"' && quote !== "'") {
      values[begin[1]!] = rest.replace(/\s+#.*$/, "").trim();
      continue;
    }
    const first = at;
    let body = rest.slice(1);
    let end = closing(body, quote);
    while (end === -1 && at + 1 < lines.length) {
      body += `\n${lines[++at]}`;
      end = closing(body, quote);
    }
    if (end === -1) throw new UsageError(`the quote that begins in line ${first + 1} has no end`);
    if (!/^\s*(#.*)?$/.test(body.slice(end + 1)))
      throw new UsageError(`line ${at + 1} goes on after its closing quote`);
    const value = body.slice(0, end);
    values[begin[1]!] =
      quote === "'" ? value : value.replace(/\\([nrt"\\$])/g, (_, c: string) => escapes[c] ?? c);
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

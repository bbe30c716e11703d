import { styleText } from "node:util";

const color = process.stdout.isTTY && !process.env["NO_COLOR"];

/** The result: the one thing on stdout. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** One JSON value on stdout; for streams, one line each. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Progress and errors: stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function dim(text: string): string {
  return color ? styleText("dim", text) : text;
}

export function red(text: string): string {
  return color ? styleText("red", text) : text;
}

/** Columns, as wide as their widest cell; the empty state names the next step. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return empty;
  const clean = [head, ...rows].map((row) => row.map(visible));
  const widths = head.map((_, column) => Math.max(...clean.map((row) => row[column]?.length ?? 0)));
  return clean
    .map((row, index) => {
      const line = row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join("  ");
      return index === 0 ? dim(line) : line;
    })
    .join("\n");
}

/** Text that others wrote, made safe for a terminal: control characters are shown, not obeyed. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) =>
    char === "\t" || char === "\n" ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A result: to a terminal made safe, to a pipe as it is. */
export function forPeople(text: string): string {
  return process.stdout.isTTY ? visible(text.replaceAll("\r\n", "\n")) : text;
}

export function duration(ms: number | null): string {
  if (ms === null) return "";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function when(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

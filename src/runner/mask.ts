import { FRAGMENT, Fragments } from "./fragments.ts";
import { StartError } from "./runner.ts";

/** A shorter value is a word or a number that stands in many texts for other reasons. */
const SHORTEST = 8;
/** Characters of a value that are masked at the edge where somebody cut it, though fewer than a fragment. */
const EDGE = 6;
/** Characters of one text that are looked through; the rest is left out. */
const LONGEST_TEXT = 100 * 1024;
/** Characters of one line of output in a failure. */
const LONGEST_LINE = 4000;
/** Where Python, pydantic and we shorten. */
const CUT = /'?"? ?(?:\.{3}|…)/g;

export type Mask = (text: string) => string;

/**
 * A failure to start, with the last lines that the server printed. In its
 * words a variable's name stands in the place of its value: they are kept with
 * the build, and an exception often quotes what it was given.
 */
export function withoutValues(
  error: StartError,
  output: readonly string[],
  variables: Readonly<Record<string, string>>,
): StartError {
  const mask = maskOf(variables);
  return new StartError(error.reason, mask(error.message), {
    traceback: error.traceback === null ? null : mask(error.traceback),
    hint: error.hint === null ? null : mask(error.hint),
    output: output.map((line) => mask(shortened(line, LONGEST_LINE))),
    missing: error.missing,
    code: error.code,
  });
}

/**
 * Puts `[NAME]` in the place of whatever a text holds of the values, in one
 * pass, so that nothing that was put in is looked at again: every run of 12
 * characters or more that lies in a value, also in its JSON or percent-decoded
 * form; values of 8 to 11 characters, and such parts of a value that are a
 * secret by themselves, whole; and 6 or more of a value's first or last ones
 * at an ellipsis. An ordinary part of a value, such as the public host name of
 * a URL, is masked with the rest: no text tells it from a secret.
 *
 * It costs some steps per character of the values, which are bounded together
 * (variableLimits), and of the text, of which 100 KiB are looked at.
 */
export function maskOf(variables: Readonly<Record<string, string>>): Mask {
  const values = Object.entries(variables)
    .filter(([, value]) => value.trim().length >= SHORTEST)
    // What values share is named after the longest.
    .sort(([, a], [, b]) => b.length - a.length);
  if (values.length === 0) return (text) => shortened(text, LONGEST_TEXT);
  const index = new Index(values);
  return (text) => index.mask(shortened(text, LONGEST_TEXT));
}

class Index {
  readonly #names: readonly string[];
  readonly #fragments: Fragments;
  /** Text → place of its name: whole values, short ones and parts by themselves, and what values begin and end with. */
  readonly #values = new Map<string, number>();
  readonly #short = new Map<string, number>();
  readonly #starts = new Map<string, number>();
  readonly #ends = new Map<string, number>();

  constructor(values: readonly (readonly [name: string, value: string])[]) {
    this.#names = values.map(([name]) => name);
    const forms = values.map(([, value]) => formsOf(value));
    this.#fragments = new Fragments(forms.flat().reduce((sum, form) => sum + form.length, 0));
    for (const [owner, [, value]] of values.entries()) {
      for (const form of forms[owner]!) {
        this.#fragments.add(form, owner);
        keep(this.#values, form, owner);
      }
      for (const part of [...forms[owner]!, ...partsOf(value)]) {
        if (part.trim().length < SHORTEST) continue;
        if (part.length < FRAGMENT) keep(this.#short, part, owner);
        for (let length = EDGE; length < FRAGMENT; length++) {
          keep(this.#starts, part.slice(0, length), owner);
          keep(this.#ends, part.slice(-length), owner);
        }
      }
    }
  }

  mask(text: string): string {
    const owners = this.#ownersOf(text);
    let masked = "";
    for (let at = 0; at < text.length;) {
      const from = at;
      const hidden = owners[from] !== 0;
      while (at < text.length && (owners[at] !== 0) === hidden) at++;
      const run = text.slice(from, at);
      const owner = this.#values.get(run) ?? owners[from]! - 1;
      masked += hidden ? `[${this.#names[owner]}]` : run;
    }
    return masked;
  }

  /** For each character the place of its name, from 1; 0 where it is of no value. */
  #ownersOf(text: string): Uint16Array {
    const owners = new Uint16Array(text.length);
    const cover = (from: number, length: number, owner: number) => {
      for (let at = from; at < from + length; at++) if (owners[at] === 0) owners[at] = owner + 1;
    };
    this.#fragments.find(text, (from, owner) => cover(from, FRAGMENT, owner));
    if (this.#short.size > 0) {
      for (let at = 0; at < text.length; at++) {
        for (let length = SHORTEST; length < FRAGMENT; length++) {
          const owner = this.#short.get(text.slice(at, at + length));
          if (owner !== undefined) cover(at, length, owner);
        }
      }
    }
    for (const { index, 0: cut } of text.matchAll(CUT)) {
      const after = index + cut.length;
      for (let length = EDGE; length < FRAGMENT; length++) {
        const start = index < length ? undefined : this.#starts.get(text.slice(index - length, index));
        if (start !== undefined) cover(index - length, length, start);
        const end = this.#ends.get(text.slice(after, after + length));
        if (end !== undefined) cover(after, length, end);
      }
    }
    return owners;
  }
}

function keep(map: Map<string, number>, text: string, owner: number): void {
  if (!map.has(text)) map.set(text, owner);
}

/** A value as it is given, as JSON and Python's repr quote it, and as a URL's is read. */
function formsOf(value: string): string[] {
  return [...new Set([value, JSON.stringify(value).slice(1, -1), decoded(value)])];
}

/**
 * What of a value may be quoted by itself although it is shorter than a
 * fragment: lines, a URL's user and password, and the values in JSON, in a
 * connection string or in a query. What reads as a word, a place or a date is
 * left, such as the user `postgres` or `us-east-1`; what is named as a secret never is.
 * Of one value at most 1000.
 */
function partsOf(value: string): string[] {
  const url = URL.canParse(value) ? new URL(value) : null;
  const parts = new Set(url === null ? [] : [url.password, decoded(url.password)]);
  for (const [, key, quoted, plain] of value.matchAll(PAIR))
    if (SECRET.test(key!)) parts.add(quoted ?? plain!);
  for (const part of [decoded(url?.username ?? ""), ...value.split(SEPARATORS)])
    if (/\d.*\d/.test(part) && /[a-z].*[a-z]/i.test(part)) parts.add(part);
  return [...parts].slice(0, 1000);
}

const SEPARATORS = /[\s"'`,;:=&?@/{}[\]()<>|]+/;
const PAIR = /(?<![\w-])([\w-]{1,64})["']?\s{0,8}[=:]\s{0,8}(?:["']([^"'\n]{8,64})["']|([^\s"',;&]{8,64}))/g;
const SECRET = /pass|pwd|secret|token|key|credential/i;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)} …` : text;
}

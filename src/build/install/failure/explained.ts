import type { Origin } from "../../plan/requirements.ts";

/** A failure of uv as its author needs it. */
export interface Explained {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly traceback?: string | null;
}

/** What there is to explain. */
export interface Said {
  /** uv's words, without secrets and without control characters. */
  readonly text: string;
  /** The first line of its error, without `error: `. */
  readonly first: string;
  /** Its causes, each in one line, the outermost first. */
  readonly causes: readonly string[];
  readonly hints: readonly string[];
  /** What was tried: "The dependencies could not be resolved". */
  readonly doing: string;
  readonly origins: readonly Origin[];
  /** `3.13`. */
  readonly python: string;
}

/** Reads what uv wrote on its standard error. Every pattern takes time in proportion to the length. */
export function readSaid(text: string): Pick<Said, "first" | "causes" | "hints"> {
  const lines = text.split("\n");
  const blocks: { kind: "error" | "cause" | "hint"; words: string[] }[] = [];
  for (const line of lines) {
    const head = /^(?:(error|hint): | {1,40}(?:cause:|╰─▶|├─▶) ?|[ ]{0,4}× )/.exec(line);
    if (head) {
      const kind =
        head[1] === "error" || head[1] === "hint" ? head[1] : line.includes("×") ? "error" : "cause";
      blocks.push({ kind, words: [line.slice(head[0].length)] });
    } else if (/^ {4,}/.test(line) || line.trim() === "") blocks.at(-1)?.words.push(line.trim());
  }
  const of = (kind: string): string[] =>
    blocks
      .filter((block) => block.kind === kind)
      .map((block) => block.words.join(" ").replace(/\s+/g, " ").trim());
  return { first: of("error")[0] ?? "", causes: of("cause"), hints: of("hint") };
}

import { posix } from "node:path";
import { parse } from "smol-toml";
import { BuildError } from "../build.ts";
import { addRequirement, noRequirements, type Requirements } from "./requirements.ts";
import { lineFinder, list, record, text } from "./values.ts";

/** What the header of a Python file declares (PEP 723). */
export interface ScriptHeader {
  readonly requirements: Requirements;
  readonly requiresPython: string | null;
  /** What is not taken from it, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The `# /// script` block of a file's text, or null where it has none. Throws
 * BuildError `script_header_invalid` for a block that is no TOML, or that stands
 * there twice.
 */
export function scriptHeader(source: string, file: string): ScriptHeader | null {
  const lines = source.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const blocks = blocksOf(lines);
  const [block] = blocks;
  if (block === undefined) return null;
  const bad = (what: string, cause?: unknown): BuildError =>
    new BuildError("plan", "script_header_invalid", `The header of ${file} ${what}.`, {
      traceback: cause instanceof Error ? cause.message : null,
      hint: 'It is TOML in comments, from "# /// script" to "# ///", with dependencies = ["fastmcp"] in it.',
    });
  if (blocks.length > 1) throw bad("stands there twice");
  let data: Record<string, unknown>;
  try {
    data = parse(block.join("\n"));
  } catch (error) {
    throw bad("cannot be read as TOML", error);
  }
  if ("dependencies" in data && list(data["dependencies"]).length !== [data["dependencies"]].flat().length)
    throw bad("has dependencies that are no list of texts");
  const found = noRequirements();
  const lineOf = lineFinder(source);
  for (const requirement of list(data["dependencies"]))
    addRequirement(found, requirement, {
      folder: posix.dirname(file),
      file,
      line: lineOf(requirement),
    });
  const uv = record(record(data["tool"])["uv"]);
  const unused = Object.keys(uv);
  return {
    requirements: found,
    requiresPython: text(data["requires-python"]),
    notes: unused.length > 0 ? [`[tool.uv] in the header of ${file} (${unused.join(", ")}) is not used`] : [],
  };
}

/** The blocks of type `script`, as PEP 723's reference pattern finds them; a last line `# ///` ends one. */
function blocksOf(lines: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let at = 0; at < lines.length; at++) {
    if (lines[at] !== "# /// script") continue;
    let end = at + 1;
    while (end < lines.length && /^#(?: |$)/.test(lines[end] ?? "")) end++;
    let close = end - 1;
    while (close > at && lines[close] !== "# ///") close--;
    if (close === at) {
      // Nothing closes it in these comments, nor any other that begins in them.
      at = end - 1;
      continue;
    }
    found.push(
      lines.slice(at + 1, close).map((line) => (line.startsWith("# ") ? line.slice(2) : line.slice(1))),
    );
    at = close;
  }
  return found;
}

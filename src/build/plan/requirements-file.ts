import { join, posix } from "node:path";
import {
  addRequirement,
  type Collected,
  inside,
  invalid,
  LONGEST_LINE,
  noRequirements,
  noteOrigin,
  relocate,
  type Requirements,
} from "./requirements.ts";
import { readText } from "./text.ts";

/** Files that one list may be spread over. */
const MOST_FILES = 50;
/** Far more than an index's resolver would ever finish. */
const MOST_REQUIREMENTS = 20_000;

/**
 * Reads a requirements file of a checkout (pip's format) without ever handing
 * the file itself to trusted uv, which builds editable paths whatever it is
 * told. Throws BuildError `requirements_invalid`.
 */
export async function readRequirements(root: string, file: string): Promise<Requirements> {
  const found = noRequirements();
  await readInto(found, root, file, false, new Set());
  return found;
}

async function readInto(
  found: Collected,
  root: string,
  file: string,
  constraint: boolean,
  seen: Set<string>,
): Promise<void> {
  if (seen.has(file)) return;
  seen.add(file);
  if (seen.size > MOST_FILES)
    throw invalid(file, `is one of more than ${MOST_FILES} files that name each other`);
  const folder = posix.dirname(file);
  for (const { text: line, number } of logicalLines(await textOf(root, file))) {
    if (found.plain.length + found.fromSource.length + found.constraints.length > MOST_REQUIREMENTS)
      throw invalid(file, `brings the list to more than ${MOST_REQUIREMENTS} requirements`);
    const place = { folder, file, line: number };
    if (line.length > LONGEST_LINE) throw invalid(file, `has a line of more than ${LONGEST_LINE} characters`);
    const option = /^(-{1,2}[A-Za-z][\w-]*)(?:[ =]+|(?=\S)|$)(.*)$/.exec(line);
    if (!option) {
      const hashes = [...line.matchAll(/ --hash[ =](\S+)/g)].map((match) => match[1] ?? "");
      const requirement = line.replace(/ --[a-z-]+[ =]\S+/g, "").trim();
      if (constraint) {
        found.constraints.push(requirement);
        noteOrigin(found, requirement, place, []);
      } else addRequirement(found, requirement, place, hashes);
      continue;
    }
    const value = (option[2] ?? "").trim();
    switch (option[1]) {
      case "-r":
      case "--requirement":
        await readInto(found, root, inside(folder, value, file), constraint, seen);
        break;
      case "-c":
      case "--constraint":
        await readInto(found, root, inside(folder, value, file), true, seen);
        break;
      case "-e":
      case "--editable":
        found.fromSource.push(relocate(value, place));
        break;
      case "-i":
      case "--index-url":
        found.indexes.push("--default-index", httpUrl(value, file));
        break;
      case "--extra-index-url":
        found.indexes.push("--index", httpUrl(value, file));
        break;
      case "-f":
      case "--find-links":
        found.indexes.push("--find-links", httpUrl(value, file));
        break;
      case "--pre":
        found.prereleases = true;
        break;
      case "--no-binary":
      case "--only-binary":
      case "--prefer-binary":
      case "--require-hashes":
      case "--trusted-host":
      case "--use-pep517":
        break;
      default:
        throw invalid(file, `has the option ${option[1]}, which is not understood here`);
    }
  }
}

function logicalLines(text: string): { readonly text: string; readonly number: number }[] {
  const found: { text: string; number: number }[] = [];
  let open: { text: string[]; number: number } | undefined;
  // All that any reader takes for the end of a line (uv: a carriage return too).
  for (const [i, physical] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|[\r\n\v\f\x85\u2028\u2029]/)
    .entries()) {
    const goesOn = physical.endsWith("\\");
    open ??= { text: [], number: i + 1 };
    open.text.push(goesOn ? physical.slice(0, -1) : physical);
    if (goesOn) continue;
    found.push({ text: cleaned(open.text.join(" ")), number: open.number });
    open = undefined;
  }
  if (open) found.push({ text: cleaned(open.text.join(" ")), number: open.number });
  return found.filter((line) => line.text !== "");
}

function cleaned(line: string): string {
  return line
    .replace(/\s+/g, " ")
    .replace(/(?:^| )#.*$/, "")
    .trim();
}

async function textOf(root: string, file: string): Promise<string> {
  try {
    return await readText(join(root, file));
  } catch (error) {
    throw invalid(file, `cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function httpUrl(value: string, file: string): string {
  if (!/^https?:\/\//.test(value))
    throw invalid(file, `names the index ${value}, which is not an http(s) address`);
  return value;
}

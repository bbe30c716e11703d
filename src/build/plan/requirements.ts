import { join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { readText } from "./text.ts";

/** A requirements file with everything that it includes, as one list. */
export interface Requirements {
  /** `name[extra]>=1; marker` lines, and links to ready wheels. */
  readonly plain: readonly string[];
  /** Lines that need a build, with local folders relative to the checkout: `./lib`, `x @ git+https://…`. */
  readonly fromSource: readonly string[];
  readonly constraints: readonly string[];
  /** `--index-url`, `--extra-index-url` and `--find-links` of the file, as uv's flags. */
  readonly indexes: readonly string[];
  /** `true` after `--pre`. */
  readonly prereleases: boolean;
}

/** A distribution's name as PEP 503 compares it. */
export function normalizeName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/** The name that a requirement asks for; undefined for a bare path or URL. */
export function requirementName(requirement: string): string | undefined {
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[|[<>=!~;@(]|$|\s)/.exec(
    requirement.trim(),
  );
  const name = match?.[1];
  return name === undefined || /[/\\]/.test(requirement.split(/[;@[<>=!~\s]/)[0] ?? "")
    ? undefined
    : normalizeName(name);
}

const NAME = String.raw`[A-Za-z0-9][\w.-]*(?: ?\[[\w.,\- ]*\])?`;
const VERSION = String.raw`(?:===|[<>=!~]=|[<>]) ?[\w.*+!-]+`;
/** `name[extra]>=1,<2 ; marker` (PEP 508), with single spaces. */
const NAMED = new RegExp(`^${NAME} ?(?:\\(?${VERSION}(?: ?, ?${VERSION})*,?\\)?)? ?(?:;.*)?$`);
/** An address of a ready wheel, with or without its name. */
const WHEEL = new RegExp(`^(?:${NAME} ?@ ?)?https?://[^\\s;]+\\.whl(?:[?#]\\S*)?(?: ?;.*)?$`);

/**
 * True unless trusted uv may be handed this line: only a plain name with
 * versions, or a link to a ready wheel, can make it run nobody's code and read
 * no place of this machine. Everything else is for the sandbox.
 */
export function needsBuild(requirement: string): boolean {
  // uv takes a carriage return for the end of a line, and fills in ${VARIABLES}.
  if (requirement.length > LONGEST_LINE || UNUSUAL.test(requirement) || requirement.includes("${"))
    return true;
  const text = requirement.replace(/[ \t]+/g, " ").trim();
  return !NAMED.test(text) && !WHEEL.test(text);
}

/** Line ends of any kind and other controls. */
// eslint-disable-next-line no-control-regex
const UNUSUAL = /[\0-\x08\x0A-\x1F\x7F-\x9F\u2028\u2029]/;
const LONGEST_LINE = 8192;

/**
 * Reads a requirements file of a checkout (pip's format) without ever handing
 * the file itself to trusted uv, which builds editable paths whatever it is
 * told. Throws BuildError `requirements_invalid`.
 */
export async function readRequirements(root: string, file: string): Promise<Requirements> {
  const found = {
    plain: [] as string[],
    fromSource: [] as string[],
    constraints: [] as string[],
    indexes: [] as string[],
    prereleases: false,
  };
  await readInto(found, root, file, false, new Set());
  return found;
}

interface Collected {
  plain: string[];
  fromSource: string[];
  constraints: string[];
  indexes: string[];
  prereleases: boolean;
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
  const folder = posix.dirname(file);
  for (const line of logicalLines(await textOf(root, file))) {
    if (line.length > LONGEST_LINE) throw invalid(file, `has a line of more than ${LONGEST_LINE} characters`);
    const option = /^(-{1,2}[A-Za-z][\w-]*)(?:[ =]+|(?=\S)|$)(.*)$/.exec(line);
    if (!option) {
      const requirement = line.replace(/ --hash[ =]\S+/g, "").trim();
      if (constraint) found.constraints.push(requirement);
      else if (needsBuild(requirement)) found.fromSource.push(relocate(requirement, folder, file));
      else found.plain.push(requirement);
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
        found.fromSource.push(relocate(value, folder, file));
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

function logicalLines(text: string): string[] {
  return (
    text
      .replace(/^\uFEFF/, "")
      .replace(/\\(?:\r\n|\r|\n)/g, " ")
      // All that any reader takes for the end of a line (uv: a carriage return too).
      .split(/[\r\n\v\f\x85\u2028\u2029]/)
      .map((line) =>
        line
          .replace(/\s+/g, " ")
          .replace(/(?:^| )#.*$/, "")
          .trim(),
      )
      .filter((line) => line !== "")
  );
}

async function textOf(root: string, file: string): Promise<string> {
  try {
    return await readText(join(root, file));
  } catch (error) {
    throw invalid(file, `cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** A path that a file names, relative to the checkout; it must stay there. */
function inside(folder: string, path: string, file: string): string {
  const joined = posix.normalize(posix.join(folder, path));
  if (path.startsWith("/") || joined === ".." || joined.startsWith("../")) {
    throw invalid(file, `names ${path}, which is outside the repository`);
  }
  return joined;
}

function relocate(requirement: string, folder: string, file: string): string {
  if (/^\w+\+|:\/\//.test(requirement)) {
    if (/(?:^|\s|@\s*)file:/.test(requirement))
      throw invalid(file, `names ${requirement}, which is outside the repository`);
    return requirement;
  }
  const [path = "", marker = ""] = requirement.split(/(?=\s*;)/, 2);
  const extras = /(\[[^\]]*\])$/.exec(path)?.[1] ?? "";
  const bare = extras ? path.slice(0, -extras.length) : path;
  return `./${inside(folder, bare.trim(), file)}${extras}${marker}`;
}

function httpUrl(value: string, file: string): string {
  if (!/^https?:\/\//.test(value))
    throw invalid(file, `names the index ${value}, which is not an http(s) address`);
  return value;
}

function invalid(file: string, what: string, cause?: unknown): BuildError {
  return new BuildError("plan", "requirements_invalid", `${file} ${what}.`, {
    hint: "Correct the file and deploy again.",
    cause,
  });
}

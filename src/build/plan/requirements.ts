import { posix } from "node:path";
import { BuildError } from "../build.ts";

/** Requirements as one list, from whatever file says them. */
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
  /** Hashes that the file itself gives (`sha256:…`), by the distribution's name. */
  readonly hashes: ReadonlyMap<string, readonly string[]>;
  /** Where each line stands, for whoever has to change it. */
  readonly origins: readonly Origin[];
}

/** One requirement as its file has it. */
export interface Origin {
  readonly name: string;
  readonly text: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Requirements while they are read. */
export interface Collected {
  plain: string[];
  fromSource: string[];
  constraints: string[];
  indexes: string[];
  prereleases: boolean;
  hashes: Map<string, string[]>;
  origins: Origin[];
}

/** The place of a line: `folder` is what its paths are relative to. */
export interface Place {
  readonly folder: string;
  readonly file: string;
  readonly line: number;
}

export function noRequirements(): Collected {
  return {
    plain: [],
    fromSource: [],
    constraints: [],
    indexes: [],
    prereleases: false,
    hashes: new Map(),
    origins: [],
  };
}

/** Two lists as one. */
export function joined(a: Requirements, b: Requirements): Requirements {
  return {
    plain: [...a.plain, ...b.plain],
    fromSource: [...a.fromSource, ...b.fromSource],
    constraints: [...a.constraints, ...b.constraints],
    indexes: [...a.indexes, ...b.indexes],
    prereleases: a.prereleases || b.prereleases,
    hashes: new Map([...a.hashes, ...b.hashes]),
    origins: [...a.origins, ...b.origins],
  };
}

/**
 * Sorts one requirement into the list: a plain one, or one that only the
 * sandbox may have. Throws BuildError `requirements_invalid` for a path that
 * leaves the checkout.
 */
export function addRequirement(
  found: Collected,
  text: string,
  place: Place,
  hashes: readonly string[] = [],
): void {
  const requirement = text.replace(/\s+/g, " ").trim();
  if (requirement === "") return;
  if (text.length > LONGEST_LINE)
    throw invalid(place.file, `has a line of more than ${LONGEST_LINE} characters`);
  if (isMalformed(requirement)) throw malformed(requirement, place);
  if (needsBuild(requirement)) found.fromSource.push(relocate(requirement, place));
  else found.plain.push(requirement);
  noteOrigin(found, requirement, place, hashes);
}

/** Notes where a requirement stands, and the hashes that stand with it. */
export function noteOrigin(
  found: Collected,
  requirement: string,
  place: Place,
  hashes: readonly string[],
): void {
  const name = requirementName(requirement);
  if (name === undefined) return;
  found.origins.push({ name, text: requirement, file: place.file, line: place.line });
  const kept = found.hashes.get(name);
  if (kept === undefined && hashes.length > 0) found.hashes.set(name, [...hashes]);
  else for (const hash of hashes) kept?.push(hash);
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
/** What a marker is written with (PEP 508): names, texts, comparisons; no address, no path. */
const MARKER = String.raw`;[\w .'"<>=!~(),+*-]*`;
/** `name[extra]>=1,<2 ; marker` (PEP 508), with single spaces. */
const NAMED = new RegExp(`^${NAME} ?(?:\\(?${VERSION}(?: ?, ?${VERSION})*,?\\)?)? ?(?:${MARKER})?$`);
/** An address of a ready wheel, with or without its name. */
const WHEEL = new RegExp(`^(?:${NAME} ?@ ?)?https?://[^\\s;]+\\.whl(?:[?#]\\S*)?(?: ?${MARKER})?$`);

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
export const LONGEST_LINE = 8192;

/** A path that a file names, relative to the checkout; it must stay there. */
export function inside(folder: string, path: string, file: string): string {
  const joinedPath = posix.normalize(posix.join(folder, path));
  if (path.startsWith("/") || joinedPath === ".." || joinedPath.startsWith("../")) {
    throw invalid(file, `names ${path}, which is outside the repository`);
  }
  return joinedPath;
}

/** A requirement that needs a build, with its local folder relative to the checkout. */
export function relocate(requirement: string, { folder, file, line }: Place): string {
  if (/^\w+\+|:\/\//.test(requirement)) {
    if (/(?:^|\s|@\s*)file:/.test(requirement)) throw fileAddress(requirement, file, line);
    return requirement;
  }
  const [path = "", marker = ""] = requirement.split(/(?=\s*;)/, 2);
  const extras = /(\[[^\][]*\])$/.exec(path)?.[1] ?? "";
  const bare = extras ? path.slice(0, -extras.length) : path;
  return `./${inside(folder, bare.trim(), file)}${extras}${marker}`;
}

/** What is neither a requirement nor a path or an address: nobody could build it. */
function isMalformed(requirement: string): boolean {
  return needsBuild(requirement) && !UNUSUAL.test(requirement) && !/[/\\@:$]|^\./.test(requirement);
}

function malformed(requirement: string, { file, line }: Place): BuildError {
  const [, name = "", operator = "", rest = ""] =
    /^([A-Za-z0-9][\w.-]{0,200}) ?([<>=!~]{0,3}) ?([\w.*+!-]{0,100})$/.exec(requirement) ?? [];
  const meant = { "=>": ">=", "=<": "<=", "=": "==", "": "==", "===": "===" }[operator];
  return new BuildError(
    "plan",
    "requirements_invalid",
    `Line ${line} of ${file}, ${requirement.slice(0, 200)}, is no requirement.`,
    {
      hint:
        name !== "" && rest !== "" && meant !== undefined
          ? `Change line ${line} of ${file} to ${name}${meant}${rest}.`
          : "Write it like name==1.2, name>=1.2,<2 or name[extra].",
    },
  );
}

/** What `pip freeze` writes in a Conda environment, among others. */
function fileAddress(requirement: string, file: string, line: number): BuildError {
  const name = /^([\w.-]+(?:\[[^\]]*\])?) ?@/.exec(requirement)?.[1];
  return new BuildError(
    "plan",
    "requirements_invalid",
    `Line ${line} of ${file} names ${requirement}, which lies on somebody's machine and not in the repository.`,
    {
      hint:
        name === undefined
          ? "Take the line out, or commit what it names and give its path in the repository."
          : `Change line ${line} of ${file} to ${name}, or write the whole file anew: pip list --format=freeze > ${file}`,
    },
  );
}

export function invalid(file: string, what: string, cause?: unknown): BuildError {
  return new BuildError("plan", "requirements_invalid", `${file} ${what}.`, {
    hint: "Correct the file and deploy again.",
    cause,
  });
}

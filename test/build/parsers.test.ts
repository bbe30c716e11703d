import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/build/build.ts";
import { essence } from "../../src/build/install/failure/built.ts";
import { readSaid } from "../../src/build/install/failure/explained.ts";
import { codeOf } from "../../src/build/plan/code.ts";
import { parseFastmcpJson } from "../../src/build/plan/fastmcp-json.ts";
import { importsOf } from "../../src/build/plan/imports.ts";
import { serverMadeIn } from "../../src/build/plan/kinds.ts";
import { pipfile, pipfileLock } from "../../src/build/plan/pipfile.ts";
import { toSpecifiers } from "../../src/build/plan/poetry-constraint.ts";
import { poetryLock } from "../../src/build/plan/poetry.ts";
import {
  addRequirement,
  needsBuild,
  noRequirements,
  type Requirements,
} from "../../src/build/plan/requirements.ts";
import { readRequirements } from "../../src/build/plan/requirements-file.ts";
import { scriptHeader } from "../../src/build/plan/script-header.ts";
import { satisfies } from "../../src/build/plan/versions.ts";

/** A generator of its own for each test, so that a failure is found again by its seed. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const seed = randomBytes(4).readUInt32LE();
const PIECES = [
  "\n",
  "\r\n",
  "\r",
  "\t",
  " ",
  "\\\n",
  "\u2028",
  "\u0085",
  "\f",
  "\0",
  "'",
  '"',
  '"""',
  "'''",
  "\\",
  "#",
  "# ",
  "# /// script\n",
  "# ///\n",
  "[",
  "]",
  "{",
  "}",
  "(",
  ")",
  ",",
  ";",
  "=",
  "==",
  ">=",
  "^",
  "~",
  "||",
  "*",
  "@",
  "@ git+https://h.example/x.git",
  "file:///etc",
  "../x",
  "./x",
  "-e .",
  "-r x",
  "--hash=sha256:aa",
  "${HOME}",
  "name",
  "dependencies",
  "fastmcp",
  "1.2",
  "requires-python",
  "import ",
  "from ",
  "x = 1",
  "FastMCP(",
  "Server[",
  "\uFEFF",
  "é",
  "🜲",
  "[[package]]\n",
  'name = "x"\n',
  '"default": {',
  '"version": "==1"',
  "null",
  "true",
  "__proto__",
  "Because ",
  " depends on ",
  "you require ",
  "error: ",
  "  cause: ",
];
const text = (next: (below: number) => number): string =>
  Array.from({ length: next(60) }, () => PIECES[next(PIECES.length)]).join("");

/**
 * Gives a reader many texts, and tells what went wrong with which: a reader may
 * refuse with a BuildError and its hint, and answers what it did wrong or nothing.
 */
function wrongs(read: (source: string) => string | null): string[] {
  const next = random(seed);
  const found: string[] = [];
  const note = (source: string, what: string): number =>
    found.push(`seed ${seed}, ${JSON.stringify(source)}: ${what}`);
  for (let i = 0; i < 3000; i++) {
    const source = text(next);
    try {
      const wrong = read(source);
      if (wrong !== null) note(source, wrong);
    } catch (error) {
      if (!(error instanceof BuildError)) note(source, String(error));
      else if (!error.hint) note(source, `no hint with: ${error.message}`);
    }
  }
  return found.slice(0, 3);
}

// eslint-disable-next-line no-control-regex
const NOT_PLAIN = /[\0-\x08\x0A-\x1F\x7F-\x9F\u2028\u2029]|\$\{|^-|^\.|^\/|git\+|file:/;
const OUTSIDE = /^\.\/\.\.(?:\/|$)|(?:^|[\s@])file:/;

/** What of a list trusted uv may not have, or null. */
function untrusted(requirements: Requirements): string | null {
  const plain = [...requirements.plain, ...requirements.constraints.filter((one) => !needsBuild(one))];
  const wrong =
    plain.find((line) => needsBuild(line) || NOT_PLAIN.test(line)) ??
    requirements.fromSource.find((line) => OUTSIDE.test(line));
  return wrong === undefined ? null : `has ${JSON.stringify(wrong)}`;
}

describe("whatever a file holds, its reader ends with what it understood or with words on it", () => {
  it("for a header of a Python file", () => {
    const read = (source: string): string | null => {
      const header = scriptHeader(source, "main.py");
      return header && untrusted(header.requirements);
    };
    expect(wrongs(read)).toEqual([]);
    expect(
      wrongs((source) => read(`# /// script\n# dependencies = ["${source.replaceAll("\n", " ")}"]\n# ///\n`)),
    ).toEqual([]);
  });

  it("for a poetry.lock", () => {
    const read = (source: string): string | null =>
      poetryLock(source, "poetry.lock").constraints.find((pin) => !pin.includes("==")) ?? null;
    expect(wrongs(read)).toEqual([]);
  });

  it("for a Pipfile.lock", () => {
    const read = (source: string): string | null =>
      untrusted(pipfileLock(source, "Pipfile.lock").requirements);
    expect(wrongs(read)).toEqual([]);
    const given = (source: string): object => ({
      [source]: { version: source, markers: source },
      a: { git: source },
      b: { extras: [source], version: "*" },
    });
    expect(wrongs((source) => read(JSON.stringify({ default: given(source) })))).toEqual([]);
  });

  it("for a Pipfile", () => {
    expect(wrongs((source) => untrusted(pipfile(source, "Pipfile").requirements))).toEqual([]);
  });

  it("for a fastmcp.json", () => {
    const read = (source: string): string | null => {
      const { config, note } = parseFastmcpJson(source, "a/fastmcp.json");
      if ((config === null) !== (note !== null)) return "says neither what it is nor what it is not";
      const outside = [config?.project, config?.requirements].find((path) =>
        /^(?:\.\.(?:\/|$)|\/)/.test(path ?? ""),
      );
      return outside ?? null;
    };
    expect(wrongs(read)).toEqual([]);
    const given = (source: string): object => ({
      source: { path: source, entrypoint: source },
      environment: { python: source, project: source },
      deployment: { args: [source] },
    });
    expect(wrongs((source) => read(JSON.stringify(given(source))))).toEqual([]);
  });

  it("for a requirement", () => {
    const read = (source: string): string | null => {
      const found = noRequirements();
      addRequirement(found, source, { folder: "a/b", file: "a/b/requirements.txt", line: 1 });
      return untrusted(found);
    };
    expect(wrongs(read)).toEqual([]);
  });

  it("for a requirements file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "offing-parsers-"));
    const next = random(seed);
    const found: string[] = [];
    for (let i = 0; i < 400; i++) {
      const source = text(next);
      await writeFile(join(folder, "requirements.txt"), source);
      const read = await readRequirements(folder, "requirements.txt").catch((error: unknown) => error);
      const wrong =
        read instanceof BuildError
          ? null
          : read instanceof Error
            ? read.message
            : untrusted(read as Requirements);
      if (wrong !== null) found.push(`seed ${seed}, ${JSON.stringify(source)}: ${wrong}`);
    }
    await rm(folder, { recursive: true });
    expect(found).toEqual([]);
  });

  it("for Python code, whose lines stay where they are", () => {
    const read = (source: string): string | null => {
      const code = codeOf(source);
      importsOf(code);
      serverMadeIn(code, source);
      return code.split("\n").length === source.split("\n").length ? null : "has other lines";
    };
    expect(wrongs(read)).toEqual([]);
  });

  it("for what uv says", () => {
    const read = (source: string): null => {
      readSaid(source);
      essence(source);
      return null;
    };
    expect(wrongs(read)).toEqual([]);
  });
});

describe("words of a repository take no more time than their length", () => {
  const many = 200_000;
  it.each([
    "FastMCP[",
    "from mcp import x\nServer(",
    "from mcp.server import Server\n@a.list_tools(\n",
    "a.",
    "class A(",
    "from . import (",
    "import ",
    "'",
    '"""',
    "# /// script\n",
    "Server ",
    "\t",
    "x=",
    "'a=b:c'",
    "==",
    "^1",
    "||",
  ])("such as many times %j", (piece) => {
    const source = piece.repeat(many / piece.length);
    const code = codeOf(source);
    importsOf(code);
    serverMadeIn(code, source);
    scriptHeader(source.slice(0, 2000), "x.py");
    toSpecifiers(source.slice(0, 20_000));
    essence(source);
    readSaid(source);
    expect(code.length).toBeLessThanOrEqual(source.length + 1);
  });
});

describe("Poetry's constraints mean the same as specifiers", () => {
  it.each([
    ["^1.2.3", ">=1.2.3,<2"],
    ["^0.2.3", ">=0.2.3,<0.3"],
    ["^0.0.3", ">=0.0.3,<0.0.4"],
    ["^0", ">=0,<1"],
    ["~1.2.3", ">=1.2.3,<1.3"],
    ["~1", ">=1,<2"],
    ["1.2.*", "==1.2.*"],
    ["1.2.3", "==1.2.3"],
    [">=1.2,<2.0", ">=1.2,<2.0"],
    [">= 1.2 < 2.0", ">=1.2,<2.0"],
    ["~=1.2", "~=1.2"],
    ["^1.0 || ^2.0", ">=2.0,<3"],
    ["^2.0b1", ">=2.0b1,<3"],
    ["*", null],
    ["", null],
    ["latest", undefined],
  ])("%j is %j", (constraint, specifiers) => {
    expect(toSpecifiers(constraint)).toBe(specifiers);
  });

  it("for any caret: what it admits begins with the same number that is not zero", () => {
    const next = random(seed);
    for (let i = 0; i < 500; i++) {
      const base = [next(3), next(4), next(4)];
      const other = [next(4), next(5), next(5)];
      const at = base.findIndex((number) => number !== 0);
      const fixed = base.slice(0, (at < 0 ? 2 : at) + 1);
      const notBelow = other.map((number, n) => number - (base[n] ?? 0)).find((apart) => apart !== 0) ?? 0;
      const admitted = fixed.every((number, n) => other[n] === number) && notBelow >= 0;
      expect(
        satisfies(other, toSpecifiers(`^${base.join(".")}`) ?? ""),
        `seed ${seed}: ${base.join(".")} ${other.join(".")}`,
      ).toBe(admitted);
    }
  });
});

import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/build/build.ts";
import { essence } from "../../src/build/install/failure/built.ts";
import { readSaid } from "../../src/build/install/failure/explained.ts";
import { nearName } from "../../src/build/install/failure/names.ts";
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
import { scriptHeader } from "../../src/build/plan/script-header.ts";
import { satisfies } from "../../src/build/plan/versions.ts";
import { versionDescribed, versionOf } from "../../src/build/source/version.ts";

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

describe("Python code", () => {
  it("is left without its comments and strings", () => {
    const code = codeOf(`x = "FastMCP(" # FastMCP(\ny = '''\nFastMCP(\n''' + 'it''s'\nmcp = FastMCP("a")\n`);
    expect(code.match(/FastMCP\(/g)).toHaveLength(1);
    expect(code.split("\n")[4]).toBe('mcp = FastMCP("")');
  });

  it("tells its imports, whatever their form", () => {
    const source =
      "import a.b as c, d\nfrom .x import (\n    one,\n    two as three,\n)\n  from mcp.server import Server\nfrom .. import y\n";
    expect(importsOf(source)).toEqual([
      { level: 0, module: "a.b", names: [] },
      { level: 0, module: "d", names: [] },
      { level: 1, module: "x", names: ["one", "two"] },
      { level: 0, module: "mcp.server", names: ["Server"] },
      { level: 2, module: "", names: ["y"] },
    ]);
  });

  it.each([
    ["from fastmcp import FastMCP\nmcp: FastMCP[None] = FastMCP[None]('x')\n", "a FastMCP server", "line 2"],
    [
      "from mcp.server.fastmcp import FastMCP\n\nmcp = FastMCP()\n",
      "a FastMCP server of the MCP SDK 1.x",
      "line 3",
    ],
    ["from fastmcp import FastMCP\nmcp = FastMCP.from_openapi(spec)\n", "a FastMCP server", "line 2"],
    ["import mcp.server.stdio as s\ns.stdio_server()\n", "a stdio program of the MCP SDK", "line 2"],
    [
      "from mcp.server.lowlevel import Server\nserver = Server('x')\n",
      "a low-level Server of the MCP SDK",
      "line 2",
    ],
  ])("with %j makes a server", (source, what, why) => {
    const made = serverMadeIn(codeOf(source), source);
    expect(made?.what).toBe(what);
    expect(made?.why).toContain(why);
  });

  it.each(["from http import Server\nx = Server()\n", "from fastmcp import Client\n", "# FastMCP()\n"])(
    "with %j makes none",
    (source) => {
      expect(serverMadeIn(codeOf(source), source)).toBeNull();
    },
  );
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

describe("the version from Git's tags", () => {
  const commit = "abc1234".padEnd(40, "0");
  it.each([
    [[{ name: "v1.2.3", commit }], "1.2.3"],
    [
      [
        { name: "v1.2.3", commit },
        { name: "v1.10.0", commit },
      ],
      "1.10.0",
    ],
    [
      [
        { name: "v2.0.0", commit: "other" },
        { name: "release/v1.9.0", commit: "older" },
      ],
      "2.0.0+gabc1234",
    ],
    [[{ name: "nightly", commit }], null],
    [[], null],
  ])("of %j is %j", (tags, version) => {
    expect(versionOf(tags, commit)).toBe(version);
  });

  it.each([
    ["v1.2.3-0-gabc1234", "1.2.3"],
    ["pkg-v1.2.3-12-gabc1234", "1.2.3+12.gabc1234"],
    ["stable", null],
  ])("as described by %j is %j", (words, version) => {
    expect(versionDescribed(words)).toBe(version);
  });
});

it.each([
  ["fastmpc", "fastmcp"],
  ["reqeusts", "requests"],
  ["bs4", "beautifulsoup4"],
  ["something-else-entirely", null],
])("somebody who wrote %j may have meant %j", (wrong, meant) => {
  expect(nearName(wrong)).toBe(meant);
});

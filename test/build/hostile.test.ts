import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/build/build.ts";
import { essence, explainBuild } from "../../src/build/install/failure/built.ts";
import { readSaid } from "../../src/build/install/failure/explained.ts";
import { explainFetch } from "../../src/build/install/failure/fetched.ts";
import { explainUnresolvable } from "../../src/build/install/failure/unresolvable.ts";
import { parseLock } from "../../src/build/install/lock.ts";
import { codeOf } from "../../src/build/plan/code.ts";
import { findDependencies } from "../../src/build/plan/dependencies.ts";
import { parseFastmcpJson } from "../../src/build/plan/fastmcp-json.ts";
import { importsOf } from "../../src/build/plan/imports.ts";
import { looksStarted, serverMadeIn } from "../../src/build/plan/kinds.ts";
import { pipfile, pipfileLock } from "../../src/build/plan/pipfile.ts";
import { toSpecifiers } from "../../src/build/plan/poetry-constraint.ts";
import { poetryLock } from "../../src/build/plan/poetry.ts";
import { expand, leadingTo, readPyproject } from "../../src/build/plan/pyproject.ts";
import { addRequirement, noRequirements } from "../../src/build/plan/requirements.ts";
import { readRequirements } from "../../src/build/plan/requirements-file.ts";
import { scriptHeader } from "../../src/build/plan/script-header.ts";
import { consoleScripts } from "../../src/build/plan/scripts.ts";
import { survey } from "../../src/build/plan/survey.ts";
import { satisfies } from "../../src/build/plan/versions.ts";
import { stripUserInfo } from "../../src/build/source/url.ts";
import { versionDescribed } from "../../src/build/source/version.ts";
import { readDotenv } from "../../src/cli/dotenv.ts";
import { printable } from "../../src/lib/printable.ts";

/*
 * Each text is as large as a file may be. A reader that looked at every part of it
 * again for every other part would need minutes, and the test would be ended.
 */
const LARGEST = 1024 ** 2;
const filled = (piece: string, end = ""): string =>
  piece.repeat(Math.floor((LARGEST - end.length) / piece.length)) + end;
const numbered = (piece: (i: number) => string, join = ""): string => {
  const found: string[] = [];
  for (let i = 0, size = 0; size < LARGEST - 1000; i++) {
    const one = piece(i);
    found.push(one);
    size += one.length + join.length;
  }
  return found.join(join);
};

/** What a reader answers, or the words with which it refuses. */
function read<T>(reader: () => T): T | string {
  try {
    return reader();
  } catch (error) {
    if (error instanceof BuildError) return error.message;
    throw error;
  }
}

async function inFolder<T>(files: Record<string, string>, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "offing-hostile-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const PIECES: readonly (readonly [piece: string, end?: string])[] = [
  ["a", "!"],
  ["1", "!"],
  ["1.", "!"],
  ["1a", "!"],
  ["a-", "!"],
  [" ", "!"],
  ["\t", "x"],
  ["\n"],
  ["\r", "x"],
  ["."],
  ["[", "\n"],
  ["a[", "\n"],
  ["(", "\n"],
  [";", "\nx"],
  ["=", "!"],
  ["--hash=", "\n"],
  [" --hash=a"],
  ["''"],
  ['""\n'],
  ["'' "],
  ["# "],
  ["\\", "\n"],
  ["\\\n"],
  [" #", "\r"],
  ["@ ", "file"],
  ["://", "@"],
  ["://a@"],
  ["\u001b["],
  ["/a"],
  ["a,"],
  [" |", " ^"],
  ["# /// script\n"],
  ["#\n# /// script\n"],
  ["from ", "\n"],
  ["from .", "\n"],
  ["from a import (", "\n"],
  ["from a import b\n"],
  ["import a, "],
  ["FastMCP(\n"],
  ["Server\n["],
  ["a.", "("],
  ["class A"],
  ["a==1 depends on "],
  ["Because a==1 depends on b>=2 and you require "],
  ["`git+https://a"],
  ["Failed to build `a"],
  ["error: a\n  cause: b\n"],
];
const all = PIECES.map(([piece, end = ""]) => [JSON.stringify(piece + end), filled(piece, end)] as const);

describe("no text of the largest size holds the program up", () => {
  it.each(all)("of Python code: %s", (_what, source) => {
    const code = codeOf(source);
    for (const begin of ["", "from", "from ", "import", "class ", "@a."]) importsOf(begin + source);
    looksStarted(source);
    serverMadeIn(source, source);
    serverMadeIn(`from mcp.server import Server\n${source}`, `"jsonrpc" ${source}`);
    read(() => scriptHeader(source, "main.py"));
    expect(code.split("\n").length).toBe(source.split("\n").length);
  });

  it.each(all)("of requirements: %s", (_what, source) => {
    const place = { folder: ".", file: "requirements.txt", line: 1 };
    for (const text of [source, source.slice(0, 8000), `./${source.slice(0, 8000)}`])
      read(() => addRequirement(noRequirements(), text, place));
    parseLock(source);
    toSpecifiers(source);
    expect(toSpecifiers(`1${source.slice(0, 900)}!!`)).toBeUndefined();
    expect(satisfies([3, 12], `>=3${source}`)).toBeUndefined();
  });

  it.each(all)("of a requirements file: %s", async (_what, source) => {
    const found = await inFolder({ "requirements.txt": source }, (folder) =>
      readRequirements(folder, "requirements.txt").catch((error: unknown) => error),
    );
    expect(found).toBeTypeOf("object");
  });

  it.each(all)("of a dotenv file: %s", (_what, source) => {
    for (const text of [source, `A=${source}`, `A="${source}`, `export ${source}`]) {
      let words = "";
      try {
        readDotenv(text);
      } catch (error) {
        words = String(error);
      }
      expect(words.length).toBeLessThan(200);
    }
  });

  it.each(all)("of uv's and git's words: %s", (_what, source) => {
    // As much of them as is kept.
    const text = `error: No solution found\n  cause: Because ${source.slice(0, 256 * 1024)}`;
    const said = { text, ...readSaid(text), doing: "x", origins: [], python: "3.12" };
    explainUnresolvable(said);
    explainFetch(said);
    explainBuild({ ...said, text: `Failed to build ${text}` });
    essence(text);
    versionDescribed(source);
    stripUserInfo(source);
    expect(printable(source, true).length).toBeLessThanOrEqual(source.length);
  });
});

describe("no list of the largest size holds the program up", () => {
  it("of the packages of a Pipfile.lock", () => {
    const packages = numbered((i) => `"p${i}": {"version": "==1"}`, ",\n");
    const found = pipfileLock(`{"default": {${packages}}}`, "Pipfile.lock").requirements.origins;
    expect(found.at(-1)?.line).toBe(found.length);
  });

  it("of packages whose names are nowhere as they are meant", () => {
    const packages = numbered((i) => `"\\u0070${i}": {"version": "==1"}`, ",\n");
    expect(pipfileLock(`{"default": {${packages}}}`, "Pipfile.lock").requirements.origins[9]?.line).toBe(1);
  });

  it("of one package's hashes, in a poetry.lock and a Pipfile", () => {
    const entry = '[[package]]\nname = "a"\nversion = "1"\nfiles = [{hash = "sha256:a"}]\n';
    expect(poetryLock(filled(entry), "poetry.lock").constraints).toEqual(["a==1"]);
    expect(
      pipfile(`[packages]\n${numbered((i) => `p${i} = "^1"\n`)}`, "Pipfile").requirements.plain.length,
    ).toBeGreaterThan(50_000);
  });

  it("of the dependencies of a header, of a project and of Poetry's table", async () => {
    const header = numbered((i) => `#  "p${i}",\n`);
    const found = scriptHeader(`# /// script\n# dependencies = [\n${header}# ]\n# ///\n`, "main.py");
    expect(found?.requirements.origins.at(-1)?.line).toBe((found?.requirements.plain.length ?? 0) + 2);
    for (const text of [
      `[project]\nname = "a"\ndependencies = [\n${numbered((i) => `"p${i}",\n`)}]\n`,
      `[tool.poetry.dependencies]\n${numbered((i) => `p${i} = "^1"\n`)}`,
    ]) {
      const { origins } = await inFolder({ "pyproject.toml": text }, (folder) =>
        readPyproject(folder, "pyproject.toml"),
      );
      expect(origins.at(-1)?.line).toBeGreaterThan(50_000);
    }
  });

  it.each([
    ["extras that name themselves again and again", `x = ["a[x,x,x,x,x,x,x,x]", "fastmcp"]\n`, ["fastmcp"]],
    [
      "extras that all name each other",
      Array.from(
        { length: 400 },
        (_, i) =>
          `x${i || ""} = ["a[${Array.from({ length: 400 }, (_one, n) => `x${n || ""}`).join(",")}]"]\n`,
      ).join(""),
      [],
    ],
    [
      "a chain of extras",
      `x = ["a[x0]"]\n${Array.from({ length: 30_000 }, (_, i) => `x${i} = ["a[x${i + 1}]"]\n`).join("")}x30000 = ["fastmcp"]\n`,
      ["fastmcp"],
    ],
    ["extras without an end", `x = ["a${filled("[")}"]\n`.slice(0, LARGEST - 100) + '"]\n', []],
  ])("of %s", async (_what, extras, expected) => {
    const text = `[project]\nname = "a"\n[project.optional-dependencies]\n${extras}`.slice(0, LARGEST);
    const pyproject = await inFolder({ "pyproject.toml": text }, (folder) =>
      readPyproject(folder, "pyproject.toml").catch(() => null),
    );
    if (pyproject === null) return;
    expect(expand(pyproject, ["a[x]"])).toEqual(expected);
    expect(leadingTo(pyproject, ["fastmcp"])(["a[x]"])).toBe(expected.length > 0);
  });

  it.each(all)("of console scripts: %s", async (_what, source) => {
    const text = `[project.scripts]\na = ${JSON.stringify(source)}\nb = ${JSON.stringify(`main:x${source.slice(0, 400)}`)}\n`;
    const found = await inFolder(
      { "pyproject.toml": text.slice(0, LARGEST), "main.py": "" },
      async (folder) => consoleScripts(await survey(folder), "."),
    );
    expect(found.length).toBeLessThanOrEqual(1);
  });

  it("of a fastmcp.json's dependencies", () => {
    const text = `{"environment": {"dependencies": [${numbered((i) => `"p${i}"`, ",")}]}}`;
    expect(parseFastmcpJson(text, "fastmcp.json").config?.dependencies.length).toBeGreaterThan(50_000);
  });

  it("of requirements without end, which are refused", async () => {
    const files = { "requirements.txt": filled("a\n"), "main.py": "" };
    await expect(
      inFolder(files, (folder) => readRequirements(folder, "requirements.txt")),
    ).rejects.toMatchObject({ code: "requirements_invalid", message: expect.stringContaining("20000") });
  });

  it("of modules and the names that they import, which an abort ends", async () => {
    const names = Array.from({ length: 300 }, (_, i) => `n${i}`).join(", ");
    const code = Array.from({ length: 100 }, (_, i) => `from m${i} import ${names}\n`).join("");
    const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`m${i}.py`, code]));
    const stop = new AbortController();
    await inFolder(
      { ...files, "main.py": "import m0\n", "requirements.txt": "fastmcp\n" },
      async (folder) => {
        const asked = { dependencyFile: null, config: null };
        const found = await findDependencies(await survey(folder, stop.signal), "main.py", asked);
        expect(found.source.kind).toBe("requirements");
        const again = await survey(folder, stop.signal);
        stop.abort(new Error("it was ended"));
        await expect(findDependencies(again, "main.py", asked)).rejects.toThrow("it was ended");
      },
    );
  });
});

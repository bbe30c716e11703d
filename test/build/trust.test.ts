import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stripUserInfo } from "../../src/build/source/url.ts";
import { printable } from "../../src/lib/printable.ts";
import { bundleFolder } from "../../src/cli/bundle.ts";
import { type Files, repository } from "../fixtures/repositories.ts";
import { buildWorld, type BuildWorld, type Outcome } from "./world.ts";

describe("code of a repository never runs outside the sandbox", () => {
  let world: BuildWorld;
  beforeAll(async () => {
    world = await buildWorld();
  });
  afterAll(() => world.close());

  /** Builds where nothing may be built, and tells what setup.py left behind. */
  const attempt = async (files: Files): Promise<{ outcome: Outcome; left: string[] }> => {
    const marks = await mkdtemp(join(tmpdir(), "offing-marks-"));
    const setup = `open(${JSON.stringify(join(marks, "ran"))}, "w").close()\nfrom setuptools import setup\nsetup(name="evil", version="1")\n`;
    const made = await repository("evil", { "main.py": "mcp = 1\n", "setup.py": setup, ...files });
    const bundle = await bundleFolder(made.path);
    const outcome = await world.run({ kind: "bundle", path: bundle.path, commit: bundle.commit, ref: null });
    // uv was there and was asked, or nothing is shown.
    expect(outcome.error).not.toMatchObject({ code: "uv_missing" });
    return { outcome, left: await readdir(marks) };
  };

  it.each([
    ["a second line inside a dependency of pyproject.toml", "\\n-e ../checkout"],
    ["a carriage return inside one", "\\r-e ../checkout"],
    ["a form feed inside one", "\\f-e ../checkout"],
    ["an option behind one", " -e ../checkout"],
    ["a line of JSON's own", "\\u2028-e ../checkout"],
  ])("by %s", async (_what, more) => {
    const { left } = await attempt({
      "pyproject.toml": `[project]\nname = "x"\nversion = "1"\ndependencies = ["mcp; python_version < '3'", "anyio==4.9.0${more}"]\n`,
    });
    expect(left).toEqual([]);
  });

  it.each([
    ["an editable line", "-e .\n"],
    ["a carriage return in a line", "anyio==4.9.0\r-e ../checkout\n"],
    ["a form feed in a line", "anyio==4.9.0\f-e ../checkout\n"],
    ["a path of the machine", "evil @ ../checkout\n"],
    ["a variable", "evil @ ${PWD}/../checkout\n"],
    ["a continued line", "anyio==4.9.0 \\\n-e ../checkout\n"],
    ["a constraint on a path", "anyio==4.9.0\n-c more.txt\n"],
  ])("by %s of requirements.txt", async (_what, text) => {
    const { left } = await attempt({
      "requirements.txt": `mcp; python_version < '3'\n${text}`,
      "more.txt": "anyio @ ../checkout\n",
    });
    expect(left).toEqual([]);
  });

  const evil = [
    "anyio==4.9.0 -e ../checkout",
    "anyio==4.9.0\n-e ../checkout",
    "evil @ ../checkout",
    "./",
    "../checkout",
  ];
  it.each(
    evil.flatMap((line): [string, string, Files][] => [
      [
        line,
        "fastmcp.json",
        {
          "fastmcp.json": JSON.stringify({
            source: { path: "main.py" },
            environment: { dependencies: ["mcp", line] },
          }),
        },
      ],
      [
        line,
        "the header",
        { "main.py": `# /// script\n# dependencies = ["mcp", ${JSON.stringify(line)}]\n# ///\n` },
      ],
      [
        line,
        "Pipfile.lock",
        {
          "Pipfile.lock": JSON.stringify({
            default: {
              mcp: {},
              [line]: {},
              a: { version: line },
              b: { markers: line, version: "*" },
              c: { path: line },
            },
          }),
        },
      ],
      [
        line,
        "Poetry's table",
        {
          "pyproject.toml": `[tool.poetry.dependencies]\nmcp = "*"\nanyio = { version = "*", markers = ${JSON.stringify(line)} }\nevil = { path = ${JSON.stringify(line)} }\n`,
        },
      ],
      [
        line,
        "poetry.lock",
        {
          "pyproject.toml": '[tool.poetry.dependencies]\nmcp = "*"\n',
          "poetry.lock": `[[package]]\nname = "anyio"\nversion = ${JSON.stringify(line)}\n`,
        },
      ],
    ]),
  )("by %j in %s", async (_line, _where, files) => {
    // The legacy setup.py would be a source of its own, and the sandbox is where it belongs.
    const { left } = await attempt({ "main.py": "import mcp\n", ...files });
    expect(left).toEqual([]);
  });
});

describe("words of a repository take no more time than their length", () => {
  const many = 400_000;
  it.each([
    ["empty lines in a Python file", { "server.py": "\n".repeat(many) }],
    ["spaces in requirements.txt", { "main.py": "", "requirements.txt": `x${" ".repeat(many)}y` }],
    ["a long word in requirements.txt", { "main.py": "", "requirements.txt": "a".repeat(many) }],
    [
      "empty lines in .python-version",
      {
        "main.py": "",
        "requirements.txt": "mcp ; python_version < '3'",
        ".python-version": "\n".repeat(many),
      },
    ],
  ])("such as %s", async (_what, files) => {
    const world = await buildWorld();
    const made = await repository("slow", files);
    const bundle = await bundleFolder(made.path);
    const { error } = await world.run({
      kind: "bundle",
      path: bundle.path,
      commit: bundle.commit,
      ref: null,
    });
    // Whatever comes of it, it is past the reading, and within this test's time.
    expect(error?.step ?? "past").not.toBe("source");
    await world.close();
  });

  it("such as a line of a log, from which sign-ins and terminal commands are taken", () => {
    for (const text of ["a", "://", "\u001B[", "\u001B]", " ", "\u001B[1;"]) {
      const line = text.repeat(many);
      expect(printable(stripUserInfo(line)).length).toBeLessThanOrEqual(line.length);
    }
    expect(stripUserInfo("see https://me:se@cret@host/x and ssh://git@host/y")).toBe(
      "see https://host/x and ssh://host/y",
    );
  });
});

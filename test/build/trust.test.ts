import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
    console.log(outcome.error?.message, outcome.error?.code, outcome.lines.slice(-3));
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
});

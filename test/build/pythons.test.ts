import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleFolder } from "../../src/cli/bundle.ts";
import { nothing } from "../fixtures/entrypoints.ts";
import { fastmcp, type Files, repository } from "../fixtures/repositories.ts";
import { describeIf } from "../needs.ts";
import { buildWorld, type BuildWorld, type Outcome } from "./world.ts";

const buildOf = async (world: BuildWorld, files: Files): Promise<Outcome> => {
  const made = await repository("pythons", { "main.py": fastmcp, "requirements.txt": nothing, ...files });
  const bundle = await bundleFolder(made.path);
  return world.run({ kind: "bundle", path: bundle.path, commit: bundle.commit, ref: null });
};

/** What a build finds here, newest first: `3.13.0`. It says so where nothing fits. */
const here = await (async (): Promise<string[]> => {
  const world = await buildWorld();
  const { error } = await buildOf(world, { ".python-version": "3.99\n" });
  await world.close();
  return [...(error?.message ?? "").matchAll(/\b3\.\d+\.\d+\b/g)].map(([version]) => version);
})();
const minors = [...new Set(here.map((version) => version.replace(/\.\d+$/, "")))].filter(
  (minor) => Number(minor.slice(2)) >= 10,
);
const few = minors.length > 1 ? "" : `this machine has one Python for servers, ${minors.join(", ")}`;

describeIf(minors.length > 0, "this machine has no Python for servers")(
  "a build takes the Python that",
  () => {
    let world: BuildWorld;
    beforeAll(async () => {
      world = await buildWorld();
    });
    afterAll(() => world.close());

    it("is the newest here, where nothing asks for another", async () => {
      const { built, lines } = await buildOf(world, {});
      expect(built?.artifact.python).toBe(here[0]);
      expect(lines.join("\n")).toContain("the project asks for none");
    });

    it("has the release line that .python-version names a patch release of", async () => {
      const [minor = ""] = minors.slice(-1);
      const { built, lines } = await buildOf(world, { ".python-version": `${minor}.99\n` });
      expect(built?.artifact.python).toMatch(new RegExp(`^${minor}\\.`));
      expect(lines.join("\n")).toContain("newest of the same release line");
    });

    it("is named with the edit that would do, where none fits", async () => {
      const { error } = await buildOf(world, { ".python-version": "3.99\n" });
      expect(error).toMatchObject({ step: "plan", code: "python_unsatisfied" });
      expect(error?.hint).toContain(`Write ${minors[0]} where .python-version says 3.99`);
    });
  },
);

describeIf(few === "", few)("a build on a machine with several Pythons takes the one that", () => {
  let world: BuildWorld;
  beforeAll(async () => {
    world = await buildWorld();
  });
  afterAll(() => world.close());

  it.each([
    [".python-version", (minor: string) => ({ ".python-version": `${minor}\n` })],
    [
      "requires-python",
      (minor: string) => ({
        "requirements.txt": nothing,
        "pyproject.toml": `[project]\nname = "x"\nversion = "1"\nrequires-python = "==${minor}.*"\n`,
      }),
    ],
    [
      "fastmcp.json",
      (minor: string) => ({
        "fastmcp.json": JSON.stringify({
          source: { path: "main.py" },
          environment: { python: minor, dependencies: [nothing.trim()] },
        }),
      }),
    ],
    [
      "the header",
      (minor: string) => ({
        "requirements.txt": "",
        "main.py": `# /// script\n# requires-python = "==${minor}.*"\n# dependencies = ["${nothing.trim()}"]\n# ///\n${fastmcp}`,
      }),
    ],
  ])("%s asks for", async (name, files) => {
    const [minor = ""] = minors.slice(-1);
    const given = files(minor);
    // A header holds where no requirements.txt is there.
    const made = await repository(
      "asks",
      name === "the header"
        ? { "main.py": (given as { "main.py": string })["main.py"] }
        : { "main.py": fastmcp, "requirements.txt": nothing, ...given },
    );
    const bundle = await bundleFolder(made.path);
    const { built, error } = await world.run({
      kind: "bundle",
      path: bundle.path,
      commit: bundle.commit,
      ref: null,
    });
    expect(error?.message ?? null).toBeNull();
    expect(built?.artifact.python).toMatch(new RegExp(`^${minor}\\.`));
  });
});

const old = minors.find((minor) => ["3.10", "3.11"].includes(minor));
const frozen =
  old !== undefined && minors[0] !== old ? "" : "this machine has no Python 3.10 or 3.11 beside a newer one";

describeIf(frozen === "", frozen)("a frozen list of an older Python", () => {
  it("is installed with that Python, where the project admits it and the newest has no wheel", async () => {
    const world = await buildWorld();
    const { built, error, lines } = await buildOf(world, {
      "requirements.txt": `${nothing}markupsafe==2.1.2\n`,
    });
    expect(error?.message ?? null).toBeNull();
    expect(built?.artifact.python).toMatch(new RegExp(`^${old}\\.`));
    expect(lines.join("\n")).toContain(`markupsafe==2.1.2 has wheels for Python ${old}`);
    await world.close();
  });
});

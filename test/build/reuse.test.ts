import { readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { environmentPath } from "../../src/build/install/environment.ts";
import { bundleFolder } from "../../src/cli/bundle.ts";
import { repository } from "../fixtures/repositories.ts";
import { buildWorld, type BuildWorld, type Outcome } from "./world.ts";

const SAID = /were resolved within the last ten minutes/;

describe("what a build did, the next one need not do again:", () => {
  let world: BuildWorld;
  beforeAll(async () => {
    world = await buildWorld();
  });
  afterAll(() => world.close());

  async function buildOf(requirements: string, organization = "org_one"): Promise<Outcome> {
    const made = await repository("again", { "main.py": "mcp = 1\n", "requirements.txt": requirements });
    const { path, commit, ref } = await bundleFolder(made.path);
    const outcome = await world.run({ kind: "bundle", path, commit, ref }, { organization });
    expect(outcome.error).toBeNull();
    return outcome;
  }

  /** Inode of each compiled module of a package, by its path. */
  async function bytecode(outcome: Outcome, name: string): Promise<Map<string, number>> {
    const lib = join(
      environmentPath(world.services.dataDir, null, outcome.built!.artifact.environment),
      "lib",
    );
    const names = await readdir(lib, { recursive: true });
    const found = names.filter((path) => path.includes(`/${name}/`) && path.endsWith(".pyc"));
    return new Map(
      await Promise.all(found.map(async (path) => [path, (await stat(join(lib, path))).ino] as const)),
    );
  }

  it("an environment takes the bytecode of packages that another one has in the same version, and of no others", async () => {
    const one = await buildOf("anyio==4.9.0\nidna==3.10\nmcp ; python_version < '3'\n");
    const two = await buildOf("anyio==4.9.0\nidna==3.9\nmcp ; python_version < '3'\n");
    const [old, taken] = [await bytecode(one, "anyio"), await bytecode(two, "anyio")];
    expect(old.size).toBeGreaterThan(20);
    expect(taken).toEqual(old);
    const [before, compiled] = [await bytecode(one, "idna"), await bytecode(two, "idna")];
    expect([...compiled.keys()]).toEqual([...before.keys()]);
    for (const [path, inode] of compiled) expect(inode).not.toBe(before.get(path));
  });

  it("the same requirements are resolved once in ten minutes, by each organization for itself", async () => {
    const requirements = "idna==3.8\nmcp ; python_version < '3'\n";
    expect((await buildOf(requirements)).lines.join("\n")).not.toMatch(SAID);
    const second = await buildOf(requirements);
    expect(second.lines.join("\n")).toMatch(SAID);
    expect(second.built!.artifact.packages).toEqual(["idna==3.8"]);
    expect((await buildOf(requirements, "org_two")).lines.join("\n")).not.toMatch(SAID);
    expect((await buildOf(`${requirements}sniffio==1.3.1\n`)).lines.join("\n")).not.toMatch(SAID);

    const folder = join(world.services.dataDir, "organizations", "org_one", "resolutions");
    const longAgo = new Date(Date.now() - 11 * 60_000);
    for (const name of await readdir(folder)) await utimes(join(folder, name), longAgo, longAgo);
    expect((await buildOf(requirements)).lines.join("\n")).not.toMatch(SAID);
    // The others were older still, and are gone.
    expect(await readdir(folder)).toHaveLength(1);
  });
});

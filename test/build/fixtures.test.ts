import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { malicious } from "../fixtures/malicious.ts";
import { dependencySources } from "../fixtures/dependencies.ts";
import { entrypoints } from "../fixtures/entrypoints.ts";
import { failures } from "../fixtures/failures.ts";
import { loading } from "../fixtures/loading.ts";
import { quirks } from "../fixtures/quirks.ts";
import { type BuiltAs, type Fixture, fixtures, repository } from "../fixtures/repositories.ts";
import { unsupported } from "../fixtures/unsupported.ts";
import { type GitHost, gitHost } from "../fixtures/git-host.ts";
import { noSandboxHere, python } from "../fixtures/environments.ts";
import { describeIf } from "../needs.ts";
import { call } from "../runner/harness.ts";
import { buildWorld, type BuildWorld, type Outcome, type Parts, realParts } from "./world.ts";

describeIf(noSandboxHere === null, noSandboxHere ?? "")("a repository", () => {
  let parts: Parts;
  let world: BuildWorld;
  let unstarted: BuildWorld;
  let host: GitHost;
  beforeAll(async () => {
    parts = await realParts();
    world = await buildWorld(parts);
    unstarted = await buildWorld({ sandbox: parts.sandbox, dataDir: parts.dataDir });
    host = await gitHost();
    for (const one of [world, unstarted]) one.allow.push({ host: "127.0.0.1", port: host.port });
  });
  afterAll(async () => {
    await world.close();
    await unstarted.close();
    await parts.close();
    await host.close();
  });

  const buildOf = async (name: string, fixture: Fixture): Promise<Outcome> => {
    const made = await repository(name, fixture.files, fixture.tags);
    host.add(name, made.path);
    const source = { kind: "git", url: `${host.url}/${name}.git`, ref: fixture.ref ?? null } as const;
    const started = "built" in fixture.outcome ? unstarted : world;
    return started.run(source, {
      entrypoint: fixture.entrypoint ?? null,
      dependencyFile: fixture.dependencyFile ?? null,
    });
  };

  const all: Record<string, Fixture> = {
    ...fixtures,
    ...entrypoints,
    ...dependencySources,
    ...quirks,
    ...unsupported,
    ...failures,
    ...loading,
  };
  for (const [name, fixture] of Object.entries(all)) {
    it(`${fixture.shows}`, { timeout: 180_000 }, async () => {
      const outcome = await buildOf(name, fixture);
      const told = outcome.error && { step: outcome.error.step, code: outcome.error.code };
      for (const words of fixture.says ?? []) expect(outcome.lines.join("\n")).toContain(words);
      if ("error" in fixture.outcome) {
        const { step, code, message = "", hint = "" } = fixture.outcome.error;
        expect(told).toEqual({ step, code });
        expect(outcome.error?.message).toContain(message);
        expect(outcome.error?.hint).toBeTruthy();
        expect(outcome.error?.hint).toContain(hint);
        // What is no server ends before anything is installed.
        if (step === "plan") expect(outcome.lines.join("\n")).not.toContain("packages are locked");
        return;
      }
      expect(outcome.error?.message ?? null).toBeNull();
      if ("built" in fixture.outcome) checkBuilt(outcome, fixture.outcome.built);
      if (!("served" in fixture.outcome)) return;
      const { served } = fixture.outcome;
      const names = outcome.built?.manifest.items.map((item) => item.name);
      expect(names).toContain(served.tool);
      const target = {
        organization: "org_one",
        server: "srv_one",
        artifact: outcome.built?.artifact.digest ?? "",
        scope: "production",
        variables: null,
      };
      const lease = await parts.runner.acquire(target);
      try {
        expect(await call(lease.address, served.tool, served.arguments)).toBe(served.result);
      } finally {
        lease.release();
      }
    });
  }

  it(
    "whose setup.py reaches outside changes nothing there, learns nothing, and leaves nothing running",
    { timeout: 240_000 },
    async () => {
      const { cacheDir, dataDir } = world.services;
      const secret = join(dataDir, "canary");
      await mkdir(dataDir, { recursive: true });
      await writeFile(secret, "canary-3f9c", { mode: 0o666 });
      const server = createServer((_request, response) => response.end("reached"));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const sleeps = `${90_000_000 + process.pid}`;
      const folders = [
        cacheDir,
        join(cacheDir, "uv"),
        join(cacheDir, "tools"),
        dataDir,
        "/usr",
        "/etc",
        "/build",
      ];
      const fixture = malicious({ secret, folders, port, sleeps });
      process.env["OFFING_CANARY"] = "canary-3f9c";
      const outcome = await buildOf("malicious", fixture);

      expect(outcome.error).toBeNull();
      const target = {
        organization: "org_one",
        server: "srv_one",
        artifact: outcome.built?.artifact.digest ?? "",
        scope: "production",
        variables: null,
      };
      const lease = await parts.runner.acquire(target);
      // That there is a report shows that it ran.
      const report = JSON.parse(await call(lease.address, "report")) as Record<string, string>;
      lease.release();
      expect(Object.keys(report)).toContain("read");
      const { environment, bomb, "poison /build": own, ...others } = report;
      for (const [what, came] of Object.entries(others)) {
        // A child of its own and a folder of its own are no harm while it runs.
        if (what !== "daemon" && what !== "leave") expect(`${what} ${came}`).not.toContain("done");
      }
      // Its own folder is writable, or the other refusals would show nothing.
      expect(own).toContain("done");
      expect(bomb).toContain("Resource temporarily unavailable");
      expect(environment).not.toMatch(/OFFING|DATABASE|PG/);
      expect(report["ask"]).toContain("403");
      expect(await readFile(secret, "utf8")).toBe("canary-3f9c");
      expect(JSON.stringify([report, outcome.events])).not.toContain("canary-3f9c");
      // eslint-disable-next-line no-control-regex
      expect(outcome.lines.join("")).not.toMatch(/[\0-\x08\x0B-\x1F\x7F-\x9F]/);
      for (const folder of folders.slice(0, -1)) {
        await expect(readFile(join(folder, "poison"))).rejects.toMatchObject({ code: "ENOENT" });
      }
      expect(processesNaming(`sleep ${sleeps}`)).toEqual([]);
      expect(await readdir(join(dataDir, "builds"))).toEqual([]);
      server.close();
    },
  );

  it("and the same attempts, made without a sandbox, come through", async () => {
    const folder = await mkdtemp(join(tmpdir(), "offing-attempts-"));
    await writeFile(join(folder, "canary"), "canary-3f9c");
    const server = createServer((_request, response) => response.end("reached"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const fixture = malicious({ secret: join(folder, "canary"), folders: [folder], port, sleeps: "0.01" });
    const file = join(folder, "attempts.py");
    await writeFile(file, fixture.attempts);
    const { stdout } = await promisify(execFile)(python, [file], { env: { PATH: process.env["PATH"] } });
    const report = JSON.parse(stdout) as Record<string, string>;
    for (const what of ["read", "write", `poison ${folder}`, "dial", "ask", "processes", "daemon"])
      expect(`${what} ${report[what]}`).toContain("done");
    server.close();
  });
});

function checkBuilt(outcome: Outcome, built: BuiltAs): void {
  const artifact = outcome.built?.artifact;
  if (built.entrypoint !== undefined) expect(artifact?.entrypoint).toBe(built.entrypoint);
  if (built.program !== undefined) expect(artifact?.program).toBe(built.program);
  if (built.argv !== undefined) expect(artifact?.argv).toEqual(built.argv);
  if (built.python !== undefined) expect(artifact?.python).toMatch(new RegExp(`^${built.python}\\.`));
  for (const one of built.packages ?? [])
    expect(artifact?.packages.filter((line) => line.startsWith(one))).not.toEqual([]);
  for (const name of built.without ?? [])
    expect(artifact?.packages.filter((line) => line.startsWith(`${name}==`))).toEqual([]);
}

/** Command lines of running processes that are exactly this. */
function processesNaming(line: string): string[] {
  return readdirSync("/proc").flatMap((entry) => {
    try {
      const found = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return found === line ? [entry] : [];
    } catch {
      return [];
    }
  });
}

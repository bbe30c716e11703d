import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Fixture, fixtures, malicious, repository } from "../fixtures/repositories.ts";
import { type GitHost, gitHost } from "../fixtures/git-host.ts";
import { describeIf } from "../needs.ts";
import { call } from "../runner/harness.ts";
import { bwrap, buildWorld, type BuildWorld, type Outcome, type Parts, realParts } from "./world.ts";

describeIf(bwrap !== undefined, "bubblewrap is not here")("a repository", () => {
  let parts: Parts;
  let world: BuildWorld;
  let host: GitHost;
  beforeAll(async () => {
    parts = await realParts();
    world = await buildWorld(parts);
    host = await gitHost();
    world.allow.push({ host: "127.0.0.1", port: host.port });
  });
  afterAll(async () => {
    await world.close();
    await parts.close();
    await host.close();
  });

  const buildOf = async (name: string, fixture: Fixture): Promise<Outcome> => {
    const made = await repository(name, fixture.files);
    host.add(name, made.path);
    const source = { kind: "git", url: `${host.url}/${name}.git`, ref: fixture.ref ?? null } as const;
    return world.run(source, { entrypoint: fixture.entrypoint ?? null });
  };

  for (const [name, fixture] of Object.entries<Fixture>(fixtures)) {
    it(`${fixture.shows}`, { timeout: 180_000 }, async () => {
      const outcome = await buildOf(name, fixture);
      const told = outcome.error && { step: outcome.error.step, code: outcome.error.code };
      if ("error" in fixture.outcome) {
        expect(told).toEqual(fixture.outcome.error);
        expect(outcome.error?.hint).toBeTruthy();
        return;
      }
      expect(told).toBeNull();
      if (!("served" in fixture.outcome)) return;
      const { served } = fixture.outcome;
      const names = outcome.built?.manifest.items.map((item) => item.name);
      expect(names).toContain(served.tool);
      const target = {
        organization: "org_one",
        server: "srv_one",
        artifact: outcome.built?.artifact.digest ?? "",
        scope: "production",
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
    "whose setup.py reaches outside changes nothing there and learns nothing",
    { timeout: 180_000 },
    async () => {
      const { cacheDir, dataDir } = world.services;
      const canary = join(dataDir, "canary");
      await mkdir(dataDir, { recursive: true });
      await writeFile(canary, "canary-3f9c", { mode: 0o644 });
      const outcome = await buildOf(
        "malicious",
        malicious(canary, [canary, cacheDir, join(cacheDir, "uv"), dataDir, "/usr", "/etc"]),
      );
      expect(await readFile(canary, "utf8")).toBe("canary-3f9c");
      expect(JSON.stringify(outcome.events)).not.toContain("canary-3f9c");
      // It did run, or the test would show nothing.
      expect(outcome.lines.join("\n")).toMatch(/building|Building/);
      for (const folder of [cacheDir, join(cacheDir, "uv"), dataDir, "/usr", "/etc"]) {
        await expect(readFile(join(folder, "poison"))).rejects.toMatchObject({ code: "ENOENT" });
      }
    },
  );
});

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildError, BuildEvent, BuildRequest, Source } from "../../src/build/build.ts";
import { removeFolder } from "../../src/build/folders.ts";
import { indexHosts, readIndexes } from "../../src/build/install/indexes.ts";
import { locateArtifact } from "../../src/build/package.ts";
import type { Inspector, Sandbox } from "../../src/build/ports.ts";
import { build, type Built } from "../../src/build/run.ts";
import type { BuildServices } from "../../src/build/services.ts";
import { createInspector } from "../../src/domain/builds/inspect.ts";
import { createLocalRunner, type LocalRunner } from "../../src/runner/local.ts";
import { createGuard, type HostPort } from "../../src/upstream/guard.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { testCache } from "../cache.ts";
import { bwrap, python } from "../fixtures/environments.ts";

/** A runner with its sandbox and an inspector, on artifacts that builds of this file make. */
export interface Parts {
  readonly sandbox: Sandbox;
  readonly inspector: Inspector;
  readonly runner: LocalRunner;
  readonly dataDir: string;
  close(): Promise<void>;
}

/** The real sandbox, runner and discovery. */
export async function realParts(): Promise<Parts> {
  const root = await mkdtemp(join(tmpdir(), "offing-build-"));
  const dataDir = join(root, "data");
  const runner = await createLocalRunner({
    python,
    bwrap,
    artifacts: {
      locate: async ({ artifact }) => ({ ...(await locateArtifact(dataDir, artifact)), variables: {} }),
    },
    lines: { write: () => {} },
  });
  const pools = createPools();
  const inspector = createInspector({
    runner,
    pools,
    keepMs: 0,
    inspection: async () => ({
      scope: "production",
      variables: null,
      server: "fixture",
      again: "./offing deploy FOLDER --server fixture",
      mask: async () => (text) => text,
    }),
  });
  return {
    sandbox: runner.sandbox,
    inspector,
    runner,
    dataDir,
    async close() {
      inspector.close();
      await runner.close();
      await pools.close();
      await removeFolder(root);
    },
  };
}

/** Accepts every artifact without starting it, for tests of what comes before. */
export const noInspector: Inspector = {
  inspect: async () => ({
    manifest: {
      serverInfo: { name: "not started", version: "0" },
      capabilities: {},
      eras: [],
      items: [],
    },
    description: null,
    problems: [],
  }),
};

/** Fails the build that runs a command, for tests in which nothing may be built. */
export const noSandbox: Sandbox = {
  run: (command) => Promise.reject(new Error(`nothing should run in the sandbox: ${command.argv.join(" ")}`)),
};

export interface BuildWorld {
  readonly services: BuildServices;
  readonly allow: HostPort[];
  run(source: Source, options?: RunOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly entrypoint?: string | null;
  readonly dependencyFile?: string | null;
  readonly organization?: string;
  readonly signal?: AbortSignal;
  onEvent?(event: BuildEvent): void;
}

export interface Outcome {
  readonly events: readonly BuildEvent[];
  readonly lines: readonly string[];
  readonly built: Built | null;
  readonly error: BuildError | null;
}

export async function buildWorld(
  parts: {
    readonly sandbox?: Sandbox;
    readonly inspector?: Inspector;
    readonly dataDir?: string;
    readonly cacheDir?: string;
    readonly limits?: BuildServices["limits"];
    readonly env?: BuildServices["env"];
    readonly pause?: BuildServices["pause"];
  } = {},
): Promise<BuildWorld> {
  const root = await mkdtemp(join(tmpdir(), "offing-build-"));
  const hosts = indexHosts(await readIndexes(process.env));
  const allow: HostPort[] = [];
  const services: BuildServices = {
    dataDir: parts.dataDir ?? join(root, "data"),
    cacheDir: parts.cacheDir ?? testCache,
    guard: createGuard({ allow: () => allow, own: () => [], trustedHosts: () => hosts }),
    sandbox: parts.sandbox ?? noSandbox,
    inspector: parts.inspector ?? noInspector,
    env: parts.env ?? process.env,
    ...(parts.limits ? { limits: parts.limits } : {}),
    ...(parts.pause ? { pause: parts.pause } : {}),
  };
  let count = 0;
  return {
    services,
    allow,
    async run(source, options = {}) {
      const request: BuildRequest = {
        organization: options.organization ?? "org_one",
        server: "srv_one",
        build: `bld_${++count}`,
        source,
        entrypoint: options.entrypoint ?? null,
        dependencyFile: options.dependencyFile ?? null,
        signal: options.signal ?? new AbortController().signal,
      };
      const events: BuildEvent[] = [];
      const lines: string[] = [];
      const running = build(request, services);
      try {
        for (;;) {
          const next = await running.next();
          if (next.done) return { events, lines, built: next.value, error: null };
          events.push(next.value);
          if (next.value.type === "line") lines.push(next.value.text);
          options.onEvent?.(next.value);
        }
      } catch (error) {
        return { events, lines, built: null, error: error as BuildError };
      }
    },
    close: () => removeFolder(root),
  };
}

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BuildError, BuildEvent, BuildRequest, Source } from "../../src/build/build.ts";
import { indexHosts, readIndexes } from "../../src/build/install/indexes.ts";
import type { Inspector, Sandbox } from "../../src/build/ports.ts";
import { build, type Built } from "../../src/build/run.ts";
import type { BuildServices } from "../../src/build/services.ts";
import { createGuard, type HostPort } from "../../src/upstream/guard.ts";

/** Runs a command without any isolation, with the mounts as links of a folder. Only for machines without a sandbox. */
export const plainSandbox: Sandbox = {
  run(command) {
    return new Promise((done, fail) => {
      const translate = (text: string): string =>
        command.mounts.reduce(
          (now, mount) =>
            now.replaceAll(new RegExp(`(?<![\\w./-])${mount.target}(?=/|$|[,: ])`, "g"), mount.source),
          text,
        );
      const [program = "", ...args] = command.argv.map(translate);
      const child = spawn(program, args, {
        cwd: translate(command.cwd),
        env: Object.fromEntries(Object.entries(command.env).map(([name, value]) => [name, translate(value)])),
        stdio: ["ignore", "pipe", "pipe"],
        signal: command.signal,
      });
      for (const stream of ["out", "err"] as const) {
        createInterface({ input: stream === "out" ? child.stdout : child.stderr }).on("line", (text) =>
          command.onLine(stream, text),
        );
      }
      child.once("error", fail);
      child.once("close", (code) => done({ code: code ?? 137, reason: null }));
    });
  },
};

export interface BuildWorld {
  readonly services: BuildServices;
  readonly allow: HostPort[];
  run(source: Source, options?: RunOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly entrypoint?: string | null;
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

export async function buildWorld(parts: {
  sandbox: Sandbox;
  inspector: Inspector;
  limits?: BuildServices["limits"];
  cacheDir?: string;
}): Promise<BuildWorld> {
  const root = await mkdtemp(join(tmpdir(), "offing-build-"));
  const hosts = indexHosts(await readIndexes(process.env));
  const allow: HostPort[] = [];
  const services: BuildServices = {
    dataDir: join(root, "data"),
    cacheDir: parts.cacheDir ?? join(root, "cache"),
    guard: createGuard({ allow: () => allow, own: () => [], trustedHosts: () => hosts }),
    sandbox: parts.sandbox,
    inspector: parts.inspector,
    env: process.env,
    ...(parts.limits ? { limits: parts.limits } : {}),
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
    close: () => rm(root, { recursive: true, force: true }),
  };
}

import { BuildError } from "../../build/build.ts";
import type { Inspected, InspectRequest, Inspector } from "../../build/ports.ts";
import { messageOf } from "../../lib/log.ts";
import { printable } from "../../lib/printable.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import { onlyAsTasks } from "../../mcp/tasks.ts";
import type { Mask } from "../../runner/mask.ts";
import { type Isolation, type Lease, type Runner, StartError } from "../../runner/runner.ts";
import { discover } from "../../upstream/discover.ts";
import type { Pools } from "../../upstream/pool.ts";

/** With which variables a build is inspected, and what its failures name. */
export interface Inspection {
  readonly scope: "production" | "preview";
  /** The immutable set that the build took when it started. */
  readonly variables: string | null;
  readonly server: string;
  /** The command that builds the same source again. */
  readonly again: string;
  /** Puts a variable's name in the place of its value. */
  mask(): Promise<Mask>;
}

export interface InspectorOptions {
  readonly runner: Runner;
  readonly pools: Pools;
  /** How long the inspected instance is kept for the first call. */
  readonly keepMs: number;
  inspection(request: InspectRequest): Promise<Inspection>;
}

/**
 * Starts an artifact as any instance and discovers it. The lease is kept for a
 * while after, so that the inspected instance is the first warm one.
 */
export function createInspector(options: InspectorOptions): Inspector & { close(): void } {
  const { runner, pools, keepMs } = options;
  const kept = new Map<NodeJS.Timeout, () => void>();
  return {
    async inspect(artifact, request): Promise<Inspected> {
      const inspection = await options.inspection(request);
      const target = {
        organization: request.organization,
        server: request.server,
        artifact: artifact.digest,
        scope: inspection.scope,
        variables: inspection.variables,
      };
      const lease = await runner.acquire(target).catch((error: unknown) => {
        throw startFailure(error, inspection, runner.isolation);
      });
      try {
        const signal = AbortSignal.any([request.signal, lease.lost]);
        const found: string[] = [];
        const manifest = await discover(pools.at(lease.address), {
          signal,
          onProblem: ({ method, message }) => found.push(`${method} could not be read whole: ${message}`),
        });
        found.push(...onlyAsTasks(manifest).map(uncallable));
        const problems = [...(await told(inspection, found)), ...(lease.warnings ?? [])];
        const timer = setTimeout(() => {
          kept.delete(timer);
          lease.release();
        }, keepMs);
        kept.set(timer, () => lease.release());
        return { manifest: withEras(manifest, lease.eras), description: lease.description, problems };
      } catch (error) {
        lease.release();
        if (request.signal.aborted) throw error;
        const lost = lease.lost.aborted ? ` (${messageOf(lease.lost.reason)})` : "";
        const [cause] = await told(inspection, [`${messageOf(error)}${lost}`]);
        throw new BuildError(
          "inspect",
          "discovery_failed",
          `the server started, but did not say what it offers: ${cause}`,
          {
            hint: `a lifespan or middleware of the server may be failing; its log is in: ./offing logs ${inspection.server}`,
          },
        );
      }
    },
    close() {
      for (const [timer, release] of kept) {
        clearTimeout(timer);
        release();
      }
      kept.clear();
    },
  };
}

function uncallable(tool: string): string {
  return `the tool ${tool} runs as a task only (mode="required"), in a form of tasks that does not pass the gateway, so that it cannot be called; with task=True it runs as any other`;
}

/** The manifest with the only era of each capability that has one; of a server that speaks one era, all have that. */
function withEras(manifest: Manifest, eras: Lease["eras"]): Manifest {
  if (manifest.eras.length < 2 || eras.length === 0) return manifest;
  const only = new Map(eras.map(({ kind, name, era }) => [`${kind} ${name}`, era]));
  const items = manifest.items.map((item) => {
    const era = only.get(`${item.kind} ${item.name}`);
    return era === undefined ? item : { ...item, era };
  });
  return { ...manifest, items };
}

/** Problems and characters of each that a build keeps of what a server said about itself. */
const MOST = 20;
const LONGEST = 2000;

/** The server's own words as they may be kept with the build: few, short, and with no value of a variable. */
async function told(inspection: Inspection, words: readonly string[]): Promise<string[]> {
  if (words.length === 0) return [];
  const mask = await inspection.mask();
  const few = words.slice(0, MOST).map((each) => {
    const masked = printable(mask(each), true);
    return masked.length > LONGEST ? `${masked.slice(0, LONGEST)} …` : masked;
  });
  return words.length > MOST ? [...few, `and ${words.length - MOST} more problems like these`] : few;
}

function startFailure(error: unknown, inspection: Inspection, isolation: Isolation): unknown {
  if (!(error instanceof StartError)) return error;
  const output = error.traceback === null && error.output.length > 0 ? error.output.join("\n") : null;
  const { missing } = error;
  const code = missing.length > 0 ? "variable_missing" : (error.code ?? `start_${error.reason}`);
  return new BuildError("inspect", code, error.message, {
    traceback: error.traceback ?? output,
    hint: hintOf(error, inspection, isolation),
    missing,
    cause: error,
  });
}

/** What the code's own side could not know: the server's name, and what this machine lets out. */
function hintOf(error: StartError, inspection: Inspection, isolation: Isolation): string | null {
  const { server, scope, again } = inspection;
  if (error.missing.length > 0) {
    if (scope === "preview") {
      return (
        "Previews have no variables, so that a branch's code never sees those of production: " +
        "read it with a default, so that the code also starts without it."
      );
    }
    const values = error.missing.map((name) => `${name}=VALUE`).join(" ");
    const asked = `${error.missing[0]}=- to be asked for it, so that it stays out of the shell's history`;
    return `Set it: ./offing env set ${server} ${values}\n(or ${asked})\nThen deploy again: ${again}`;
  }
  const hint = error.hint?.replace(/(\.\/offing [a-z ]+) SERVER\b/g, `$1 ${server}`) ?? null;
  if (error.code !== "connection_failed") return hint;
  const egress = {
    filtered: "Instances reach public addresses from here; private and local ones are blocked.",
    proxy:
      "On this machine instances reach the outside by a guarded HTTP proxy only, so that a database is out of reach.",
    none: "On this machine instances have no network at all; the start-up message of ./offing up says why.",
  }[isolation.egress];
  return hint === null ? egress : `${hint} ${egress}`;
}

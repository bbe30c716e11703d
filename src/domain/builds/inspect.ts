import { BuildError } from "../../build/build.ts";
import type { Inspector } from "../../build/ports.ts";
import { messageOf } from "../../lib/log.ts";
import { type Runner, StartError } from "../../runner/runner.ts";
import { discover } from "../../upstream/discover.ts";
import type { Pools } from "../../upstream/pool.ts";

/**
 * Starts an artifact as any instance and discovers it. The lease is kept for a
 * while after, so that the inspected instance is the first warm one.
 */
export function createInspector(runner: Runner, pools: Pools, keepMs: number): Inspector & { close(): void } {
  const kept = new Map<NodeJS.Timeout, () => void>();
  return {
    async inspect(artifact, request) {
      const target = {
        organization: request.organization,
        server: request.server,
        artifact: artifact.digest,
        scope: "production",
      };
      const lease = await runner.acquire(target).catch((error: unknown) => {
        throw startFailure(error);
      });
      try {
        const signal = AbortSignal.any([request.signal, lease.lost]);
        const manifest = await discover(pools.at(lease.address), { signal });
        const timer = setTimeout(() => {
          kept.delete(timer);
          lease.release();
        }, keepMs);
        kept.set(timer, () => lease.release());
        return manifest;
      } catch (error) {
        lease.release();
        if (request.signal.aborted) throw error;
        const lost = lease.lost.aborted ? ` (${messageOf(lease.lost.reason)})` : "";
        throw new BuildError(
          "inspect",
          "discovery_failed",
          `the server started, but did not say what it offers: ${messageOf(error)}${lost}`,
          {
            hint: "a lifespan or middleware of the server may be failing; its log is in: ./offing logs SERVER",
            cause: error,
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

function startFailure(error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const output = error.traceback === null && error.output.length > 0 ? error.output.join("\n") : null;
  return new BuildError("inspect", `start_${error.reason}`, error.message, {
    traceback: error.traceback ?? output,
    hint: error.hint,
    cause: error,
  });
}

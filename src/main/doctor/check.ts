import type { Config } from "../../config.ts";
import type { Packages } from "./packages.ts";

/** One line of the report. The field names are public. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "missing" | "limited";
  /** What is there, or why it is not. */
  readonly found: string;
  /** What it is for. */
  readonly means: string;
  /** How to get it: one command where it can be known. Null when nothing has to be done, or nothing can. */
  readonly fix: string | null;
  /** Whether `up` or `deploy` fails for the lack of it. */
  readonly needed: boolean;
}

/** What every probe is told of the machine. */
export interface Machine {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly packages: Packages;
  /** Why the package index does not answer, null when it does; asked once. */
  indexProblem(): Promise<string | null>;
  /** An empty folder that goes with the run. */
  scratch(parent?: string): string;
}

/** What is found by running it. A probe of several lines gives them in the report's order. */
export interface Probe {
  readonly name: string;
  readonly means: string;
  readonly needed: boolean;
  readonly withinMs: number;
  run(machine: Machine, signal: AbortSignal): Promise<readonly Check[]>;
}

/** A line that is as it should be. */
export function fine(probe: Pick<Probe, "name" | "means">, found: string): Check {
  return { name: probe.name, state: "ok", found, means: probe.means, fix: null, needed: false };
}

/** A line with a lack; `needed` is whether `up` or `deploy` fails for it. */
export function lacking(
  probe: Pick<Probe, "name" | "means">,
  state: "missing" | "limited",
  detail: { found: string; fix: string | null; needed: boolean },
): Check {
  return { name: probe.name, state, means: probe.means, ...detail };
}

/** Runs a probe to its end or its time limit; whatever goes wrong in it is its finding. */
export async function settle(probe: Probe, machine: Machine): Promise<readonly Check[]> {
  const signal = AbortSignal.timeout(probe.withinMs);
  const late = Promise.withResolvers<readonly Check[]>();
  const lack = (found: string) => [lacking(probe, "missing", { found, fix: null, needed: probe.needed })];
  const tell = () => late.resolve(lack(`no answer within ${probe.withinMs / 1000} seconds`));
  signal.addEventListener("abort", tell, { once: true });
  try {
    return await Promise.race([probe.run(machine, signal), late.promise]);
  } catch (error) {
    return lack(error instanceof Error ? error.message : String(error));
  } finally {
    signal.removeEventListener("abort", tell);
  }
}

import { join } from "node:path";
import type { GuardRefused } from "../upstream/guard.ts";
import { createProxy } from "../upstream/proxy.ts";
import {
  environmentFromWheels,
  environmentPath,
  environmentWithBuilt,
  readEnvironment,
  type Environment,
} from "./install/environment.ts";
import { withFittingPython } from "./install/fitting.ts";
import { addGenerated } from "./install/generated.ts";
import type { Indexes } from "./install/indexes.ts";
import { lackingWheels } from "./install/lacking.ts";
import { environmentKey } from "./install/lock.ts";
import { resolve } from "./install/resolve.ts";
import { prepareSandbox, type Uv } from "./install/uv.ts";
import { buildProject, buildWheels } from "./install/wheels.ts";
import type { Plan } from "./plan.ts";
import type { Interpreter } from "./plan/interpreter.ts";
import type { Origin } from "./plan/requirements.ts";
import type { StepContext } from "./services.ts";

export interface Installed {
  readonly environment: Environment;
  /** The unpacked wheel of the project itself, or null where it has none. */
  readonly project: string | null;
  /** The one that the environment is made of; another than planned where only that has the wheels. */
  readonly interpreter: Interpreter;
}

/**
 * Makes (or finds) the Python environment of a plan, and builds the project
 * itself where it has a build system. `source` is the checkout, `commit` its
 * commit. Throws BuildError of step `install`.
 */
export async function install(
  context: StepContext,
  tool: { readonly program: string; readonly indexes: Indexes },
  plan: Plan,
  source: string,
  commit: string,
): Promise<Installed> {
  let refused: GuardRefused | undefined;
  const proxy = await createProxy({
    guard: context.services.guard,
    organization: context.organization,
    maxBytes: context.limits.diskBytes * 2,
    onRefused(refusal) {
      refused = refusal;
      context.say(refusal.message, "err");
    },
    onLimit: () => context.say("the byte limit of this build's network is used up", "err"),
  });
  const stop = new AbortController();
  let prepared: Promise<void> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const uv: Uv = {
    context: { ...context, signal: AbortSignal.any([context.signal, stop.signal]) },
    program: tool.program,
    indexes: tool.indexes,
    proxy,
    interpreter: plan.interpreter,
    others: plan.others,
    origins: originsOf(plan),
    version: plan.version,
    ready: () => (prepared ??= prepareSandbox(context, tool.indexes, source)),
    inTurn: (run) => {
      const turn = last.then(run, run);
      last = turn.catch(() => {});
      return turn;
    },
    refused: () => refused,
  };
  try {
    const project = join(context.work, "project");
    const [{ environment, interpreter }, built] = await together(stop, [
      withFittingPython(uv, (chosen) => makeEnvironment(chosen, plan, commit)),
      plan.project === null ? Promise.resolve(false) : buildProject(uv, plan.project, project),
    ]);
    if (built) await addGenerated(context, project, source, plan.pythonPath);
    return { environment, interpreter, project: built ? project : null };
  } finally {
    await proxy.close();
  }
}

/** What neither needs the other; the first failure ends the rest, and nothing goes on after it is told. */
async function together<A, B>(stop: AbortController, work: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  try {
    return await Promise.all(work);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(work);
    throw error;
  }
}

async function makeEnvironment(uv: Uv, plan: Plan, commit: string): Promise<Environment> {
  const { context } = uv;
  const lock = await resolve(uv, plan);
  context.say(`${lock.length} packages are locked`);
  if (!lock.some((entry) => entry.fromSource)) {
    const ready = await environmentFromWheels(uv, lock);
    if (ready) return told(context, ready);
  }
  // Folders of the checkout are pinned by nothing but the commit.
  const local = lock.some((entry) => entry.requirement.startsWith("./")) ? [commit] : [];
  const key = environmentKey(lock, uv.interpreter, [context.organization, ...local]);
  const path = environmentPath(context.services.dataDir, context.organization, key);
  const packages = await readEnvironment(path);
  if (packages) return told(context, { key, path, private: true, packages, reused: true });
  context.say("building what has no ready wheel, in the sandbox");
  const lacking = await lackingWheels(uv, lock);
  const unbuilt = lock.filter((entry) => entry.fromSource || lacking?.has(entry.name ?? "") !== false);
  const built = await buildWheels(uv, unbuilt);
  return told(context, await environmentWithBuilt(uv, lock, built, key));
}

function told(context: StepContext, environment: Environment): Environment {
  const what = environment.reused ? "is here already and is reused" : "is made";
  context.say(
    `the environment ${environment.key.slice(0, 12)} with ${environment.packages.length} packages ${what}`,
  );
  return environment;
}

function originsOf({ dependencies: { source, added } }: Plan): readonly Origin[] {
  const own =
    source.kind === "requirements"
      ? source.requirements.origins
      : source.kind === "none"
        ? []
        : source.pyproject.origins;
  return [...own, ...added.origins];
}

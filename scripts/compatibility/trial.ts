import { type Client, createClient } from "../../src/contract/client.ts";
import type { Output } from "../../src/contract/route.ts";
import type { Routes } from "../../src/contract/routes.ts";
import { messageOf } from "../../src/lib/log.ts";
import { eras } from "./clients.ts";
import { offing } from "./command.ts";
import type { Failure, Package, Serves } from "./package.ts";

type Build = Output<Routes["getBuild"]>;

/** The program under trial and the key of its owner. */
export interface Place {
  readonly url: string;
  readonly key: string;
}

/** What became of one package. */
export interface Trial {
  readonly pack: Package;
  /** True where the outcome is the expected one. */
  readonly met: boolean;
  /** What differs from the expected outcome, a sentence each. */
  readonly differs: readonly string[];
  /** The last deploy's log, a line each. */
  readonly log: readonly string[];
  /** How the server was found and where its dependencies came from, as that log says. */
  readonly found: string | null;
  readonly dependencies: string | null;
  readonly tools: number | null;
  /** The error that the last deploy ended in, or the first one where variables were missing. */
  readonly error: Build["error"];
  /** From the command's start to live, seconds; null where nothing became live. */
  readonly seconds: number | null;
}

/** The lines of a build's log that say a decision. */
const FOUND = /^(.+?, found by .+?)(?:: |$)/;
const DEPENDENCIES = /^dependencies come from ([^,;]+)|^no .* declares dependencies/;

/** Deploys a repository as a user would, and calls what serves. Never throws but with the signal's reason. */
export async function tryPackage(
  pack: Package,
  repository: string,
  place: Place,
  signal: AbortSignal,
): Promise<Trial> {
  const client = createClient(place);
  const differs: string[] = [];
  let error: Build["error"] = null;
  let last: Deployed | undefined;
  try {
    if (pack.needs !== undefined) {
      const { variables, without } = pack.needs;
      if (without !== null) {
        last = await deploy(pack, repository, place, client, signal);
        error = last.build.error;
        differs.push(...judgeFailure(last.build, without, "without its variables, "));
      }
      const pairs = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      const set = await offing(place, signal, "env", "set", pack.name, ...pairs, "--create");
      if (set.code !== 0) throw new Error(`env set ended with ${set.code}: ${set.stderr.trim()}`);
    }
    last = await deploy(pack, repository, place, client, signal);
    const { build } = last;
    error = build.error ?? error;
    if (pack.expected.outcome === "error") differs.push(...judgeFailure(build, pack.expected, ""));
    else if (build.status !== "succeeded") differs.push(`it does not serve: ${wordsOf(build)}`);
    else differs.push(...(await judgeServing(last.endpoint, pack.expected, place.key)));
  } catch (thrown) {
    differs.push(messageOf(thrown));
  }
  return {
    pack,
    met: differs.length === 0,
    differs,
    log: last?.log ?? [],
    found: last?.log.map((line) => FOUND.exec(line)?.[1]).find((text) => text !== undefined) ?? null,
    dependencies: last?.log.find((line) => DEPENDENCIES.test(line)) ?? null,
    tools: last?.build.capabilities ?? null,
    error,
    seconds: last?.build.status === "succeeded" ? last.seconds : null,
  };
}

interface Deployed {
  readonly build: Build;
  readonly endpoint: string;
  readonly seconds: number;
  readonly log: readonly string[];
}

async function deploy(
  pack: Package,
  repository: string,
  place: Place,
  client: Client,
  signal: AbortSignal,
): Promise<Deployed> {
  const began = performance.now();
  const flags = pack.flags ?? [];
  const ended = await offing(place, signal, "deploy", repository, "--server", pack.name, ...flags, "--json");
  const seconds = (performance.now() - began) / 1000;
  const at = { organization: "default", server: pack.name };
  const newest = (await client.call("listBuilds", at, { limit: 1 }).catch(() => undefined))?.items[0];
  if (newest === undefined) throw new Error(`deploy ended with ${ended.code}: ${ended.stderr.trim()}`);
  if (signal.aborted) {
    await client.call("cancelBuild", { ...at, build: newest.id }).catch(() => {});
    throw new Error("the time for one package ended before its build did");
  }
  const log: string[] = [];
  let build: Build = newest;
  for await (const { data } of client.stream("followBuild", { ...at, build: newest.id })) {
    if (data.type === "line") log.push(data.text);
    else build = data.build;
  }
  return { build, endpoint: build.deployment?.endpoint ?? "", seconds, log };
}

/** What differs from the failure that a build must end in. */
function judgeFailure(build: Build, wanted: Failure, when: string): string[] {
  const { error } = build;
  if (error === null) return [`${when}it is ${build.status} and not refused with ${wanted.code}`];
  const text = `${error.message}\n${error.hint ?? ""}\n${error.traceback ?? ""}`;
  return [
    ...(error.code === wanted.code ? [] : [`${when}the error is ${wordsOf(build)}, not ${wanted.code}`]),
    ...wanted.says
      .filter((part) => !text.includes(part))
      .map((part) => `${when}the error does not say "${part}": ${wordsOf(build)}`),
  ];
}

/** Lists and calls with a client of each era; what differs from what must come. */
async function judgeServing(endpoint: string, wanted: Serves, key: string): Promise<string[]> {
  const differs: string[] = [];
  for (const era of eras) {
    try {
      const client = await era.connect(endpoint, key);
      try {
        const tools = await client.tools();
        if (tools.length < wanted.tools)
          differs.push(`${era.name}: ${tools.length} tools, not ${wanted.tools}`);
        for (const { tool, arguments: given, answers } of wanted.calls) {
          const answer = await client.call(tool, forEra(given, era.name));
          if (!answer.text.includes(answers))
            differs.push(`${era.name}: ${tool} answered ${JSON.stringify(answer.text.slice(0, 300))}`);
          else if (answer.isError && wanted.away === undefined)
            differs.push(`${era.name}: ${tool} answered with an error`);
        }
      } finally {
        await client.close();
      }
    } catch (error) {
      differs.push(`${era.name}: ${messageOf(error).slice(0, 500)}`);
    }
  }
  return differs;
}

/** Two clients may meet on one instance, so `$ERA` stands for a name of the client's own. */
function forEra(given: Readonly<Record<string, unknown>>, era: string): Record<string, unknown> {
  return JSON.parse(JSON.stringify(given).replaceAll("$ERA", era)) as Record<string, unknown>;
}

function wordsOf({ status, error }: Build): string {
  return error === null ? status : `${error.step} ${error.code}: ${error.message}`;
}

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunFile } from "../cli/context.ts";
import { createClient } from "../contract/client.ts";
import { type Config, ConfigError, readEnv, toConfig } from "../config.ts";
import { createLog, messageOf } from "../lib/log.ts";
import { isAlive, processStart } from "../lib/process.ts";
import { findBwrap } from "./bwrap.ts";
import { deployExample } from "./example.ts";
import { startSystem, type System } from "./system.ts";
import { openWeb, type Web } from "./web.ts";

const usage = `usage: ./offing up [--data DIR] [--port N] [--host H] [--workers N] [--url PUBLIC] [--allow-origin ORIGIN]... [--no-example] [--json]
  Start the program
`;
/** SIGTERM ends the program within 10 s; what is not closed by then is cut off. */
const CLOSE_WITHIN_MS = 9000;

/** Starts the program and serves until SIGTERM or SIGINT. Resolves with the exit code. */
export async function up(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: {
        data: { type: "string" },
        port: { type: "string" },
        host: { type: "string" },
        workers: { type: "string" },
        url: { type: "string" },
        "allow-origin": { type: "string", multiple: true },
        "no-example": { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    process.stderr.write(`offing up: ${messageOf(error)}\n${usage}`);
    return 2;
  }
  const { values: flags } = parsed;
  if (flags.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  process.umask(0o022);
  const progress = (text: string) => void process.stderr.write(`${text}\n`);
  let config: Config;
  try {
    const given = readEnv(env);
    config = toConfig({
      ...given,
      data: flags.data ?? given.data,
      port: flags.port ?? given.port,
      host: flags.host ?? given.host,
      workers: flags.workers ?? given.workers,
      publicUrl: flags.url ?? given.publicUrl,
      allowedOrigins: flags["allow-origin"]?.join(" ") ?? given.allowedOrigins,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    progress(`offing up: ${error.message}`);
    return 2;
  }
  const stop = stopSignal();
  const runFile = join(config.dataDir, "up.json");
  const log = createLog((line) => void process.stderr.write(line));
  let system: System;
  let web: Web;
  try {
    refuseSecond(runFile, config.dataDir);
    const { cacheDir, python } = config;
    const [bwrap, pages] = await Promise.all([
      config.isolation === "none" ? null : findBwrap({ cacheDir, python, env, say: progress }),
      openWeb({ cacheDir, log, say: progress }),
    ]);
    web = pages;
    system = await startSystem({ config, log, env, bwrap, web, onProgress: progress });
  } catch (error) {
    progress(`offing: ${messageOf(error)}`);
    return 1;
  }
  // What breaks outside any request is told; the data is safe either way.
  process.on("unhandledRejection", (error) =>
    log.error("an error nobody waited for", { error: messageOf(error) }),
  );
  writeRunFile(runFile, system.localUrl);
  if (system.killed > 0) {
    progress(
      "The program was killed last time. Nothing that was acknowledged is lost; request records and log lines of its last second may be.",
    );
  }
  const [endpoints, signIn] = await Promise.all([liveEndpoints(system), signInLink(system, progress)]);
  if (flags.json === true) {
    const { url, dataDir, ownerKeyFile } = system;
    process.stdout.write(`${JSON.stringify({ url, dataDir, ownerKeyFile, endpoints, signIn })}\n`);
  } else {
    process.stdout.write(welcome(system, endpoints, signIn));
  }
  // Only now, and beside everything else: nobody waits for the pages but who opens one.
  void web.refresh();
  if (system.first && flags["no-example"] !== true) {
    await deployExample(system, progress, stop).catch((error: unknown) =>
      progress(`The example was not deployed: ${messageOf(error)}`),
    );
  }
  await new Promise<void>((resolve) =>
    stop.aborted ? resolve() : stop.addEventListener("abort", () => resolve()),
  );
  progress("Stopping…");
  setTimeout(() => process.exit(1), CLOSE_WITHIN_MS).unref();
  await web.close();
  await system.close();
  rmSync(runFile, { force: true });
  return 0;
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
  return stop.signal;
}

function refuseSecond(runFile: string, dataDir: string): void {
  if (!existsSync(runFile)) return;
  const { pid, start, url } = JSON.parse(readFileSync(runFile, "utf8")) as RunFile;
  if (isAlive(pid, start))
    throw new Error(
      `an Offing (process ${pid}) uses ${dataDir} already and serves ${url}; stop it, or choose another folder with --data`,
    );
}

function writeRunFile(file: string, url: string): void {
  const run: RunFile = { url, pid: process.pid, start: processStart(process.pid) ?? "" };
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(run));
  renameSync(`${file}.new`, file);
}

async function liveEndpoints(system: System): Promise<string[]> {
  const rows = await system.services.db
    .selectFrom("deployments as d")
    .innerJoin("servers as s", (join) =>
      join.onRef("s.organization", "=", "d.organization").onRef("s.id", "=", "d.server"),
    )
    .innerJoin("organizations as o", "o.id", "d.organization")
    .select(["o.slug as organization", "s.slug as server"])
    .where("d.slug", "=", "live")
    .orderBy("o.slug")
    .orderBy("s.slug")
    .execute();
  return rows.map(({ organization, server }) => `${system.url}/${organization}/${server}/mcp`);
}

/** A fresh link, asked for as the CLI would; null where the owner's key was revoked. */
async function signInLink(system: System, say: (text: string) => void): Promise<string | null> {
  const key = readFileSync(system.ownerKeyFile, "utf8").trim();
  const client = createClient({ url: system.localUrl, key });
  try {
    return (await client.call("createSignInLink", { organization: "default" })).url;
  } catch (error) {
    say(
      `No sign-in link with the owner's key: ${messageOf(error)}. With another key of yours: OFFING_API_KEY=… ./offing sign-in`,
    );
    return null;
  }
}

function welcome(system: System, endpoints: readonly string[], signIn: string | null): string {
  const { isolation } = system.runner;
  return [
    "",
    `  Offing        ${system.url}`,
    ...(signIn === null
      ? []
      : [`  Sign in       ${signIn}`, "                (once, within 15 minutes; again: ./offing sign-in)"]),
    `  Data          ${system.dataDir}`,
    `  Owner's key   ${system.ownerKeyFile} (the CLI on this machine uses it by itself)`,
    `  Isolation     ${isolation.layer}, memory by ${isolation.memory}, egress ${isolation.egress}`,
    ...isolation.notes.map((note) => `                ${note}`),
    ...(endpoints.length === 0 ? [] : [`  Endpoints     ${endpoints.join("\n                ")}`]),
    "",
    "  Deploy        ./offing deploy https://…/your-server.git   (or ssh, or a folder)",
    "",
    "",
  ].join("\n");
}

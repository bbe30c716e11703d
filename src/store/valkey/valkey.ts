import { createHmac, hash } from "node:crypto";
import type { Socket } from "node:net";
import type { Log } from "../../lib/log.ts";
import { startValkey, type ValkeyChild } from "./child.ts";
import { type Connection, type Reply, ReplyError } from "./connection.ts";
import { RIGHTS } from "./rights.ts";
import { type ScriptWatch, watchScripts } from "./scripts.ts";
import { signIn } from "./sign-in.ts";

export interface ValkeyOptions {
  readonly dataDir: string;
  /** `valkey://` or `redis://` (with an `s`: TLS) of a server that is there already; its user may make users. */
  readonly url: string | undefined;
  /** The program of a private one, fetched where need be; null where there is none. */
  find(): Promise<string | null>;
  /** Whom a private one runs as. */
  account(): { readonly uid: number; readonly gid: number } | undefined;
  /** What the passwords of users are made from. */
  readonly key: Uint8Array;
  readonly log: Log;
}

/** One artifact with one set of variables, of one server. */
export interface Keeps {
  readonly server: string;
  readonly artifact: string;
  readonly scope: string;
  readonly variables: string | null;
}

/**
 * Where hosted code keeps what outlives an instance. A server's user reaches
 * the keys and channels that begin with the server's prefix, and no others,
 * not even by name. A private Valkey is started by the first connection.
 */
export interface Valkey {
  /** Whether there is one to be had. Fetches a private one's program at the first call. */
  available(): Promise<boolean>;
  /** A connection signed in as the server's own user; what it carries is the caller's. */
  connect(keeps: Keeps): Promise<Socket>;
  /** Gives back to the queue what a worker that is gone had begun. Only while no instance of it runs. */
  adopt(keeps: Keeps): Promise<void>;
  /** Whether the queue holds work that is not done. False where nothing was ever kept. */
  unfinished(keeps: Keeps): Promise<boolean>;
  close(): Promise<void>;
}

/** What every key and channel of a server begins with. */
export function prefixOf(server: string): string {
  return `offing:${server}:`;
}

/**
 * The queue of background work, below the server's prefix. Of an artifact with
 * its variables, so that work is done by the code it was given to, and a build
 * that is only inspected takes none of what serves.
 */
export function queueOf({ server, artifact, scope, variables }: Keeps): string {
  return `${prefixOf(server)}q:${hash("sha256", JSON.stringify([artifact, scope, variables])).slice(0, 16)}`;
}

/** The group in which FastMCP's task engine (docket) hands out the messages of its stream. */
const WORKERS = "docket-workers";
/** Longer than any engine waits before it takes a message for abandoned. */
const ABANDONED_MS = 30 * 24 * 60 * 60 * 1000;
/** Connections of one server's instances at most, of the 4,000 that a private Valkey takes. */
export const SERVER_CONNECTIONS = 256;
/** A program that could not be had is looked for again after this time. */
const LOOK_AGAIN_MS = 600_000;

export function openValkey(options: ValkeyOptions): Valkey {
  const { url, log } = options;
  const users = new Set<string>();
  /** How many connections each server has. */
  const held = new Map<string, number>();
  let admin: Promise<Connection> | undefined;
  let child: Promise<ValkeyChild> | undefined;
  let program: Promise<string | null> | undefined;
  let watch: ScriptWatch | undefined;
  let closed = false;

  function find(): Promise<string | null> {
    program ??= options.find().then((found) => {
      if (found === null) setTimeout(() => (program = undefined), LOOK_AGAIN_MS).unref();
      return found;
    });
    return program;
  }

  /** The private one that runs, or a new one in its place; all who ask at once share the start. */
  function started(): Promise<ValkeyChild> {
    const current = (child ??= start());
    return current.then(
      (running) => {
        if (running.running) return running;
        if (child === current) child = undefined;
        return running.close().then(started);
      },
      (error: unknown) => {
        if (child === current) child = undefined;
        throw error;
      },
    );
  }

  async function start(): Promise<ValkeyChild> {
    const found = await find();
    if (found === null) throw new Error("there is no Valkey on this machine");
    users.clear();
    const { dataDir, account } = options;
    const running = await startValkey({ dataDir, program: found, account: account() });
    log.info("Valkey serves", { pid: running.pid });
    // Its own: what it does not answer must not end the one after it.
    watch?.stop();
    watch = watchScripts(command, (why) => {
      if (running.running) log.warn("Valkey is ended, to be started again", { why });
      running.kill();
    });
    return running;
  }

  async function dial(): Promise<Connection> {
    if (closed) throw new Error("the program is closing");
    return url === undefined ? (await started()).connect() : signIn(url);
  }

  /** The administrator's own connection, made anew when it is lost. */
  async function administer(): Promise<Connection> {
    const current = (admin ??= dial());
    const held = await current.catch((error: unknown) => {
      if (admin === current) admin = undefined;
      throw error;
    });
    if (!held.broken) return held;
    if (admin === current) admin = undefined;
    return administer();
  }

  async function command(...words: string[]): Promise<Reply> {
    return (await administer()).command(...words);
  }

  /** Makes the server's user know this queue. Patterns that are subscribed to must be granted to the letter. */
  async function grant(keeps: Keeps, user: string, password: string): Promise<void> {
    const queue = queueOf(keeps);
    await administer();
    if (users.has(queue)) return;
    const own = `${prefixOf(keeps.server)}*`;
    const channels = [`&${own}`, `&${queue}:cancel:*`];
    await command("ACL", "SETUSER", user, "on", `>${password}`, `~${own}`, ...channels, ...RIGHTS);
    users.add(queue);
  }

  /** Counts a connection of a server; the answer gives it back. */
  function enter(server: string): () => void {
    const count = held.get(server) ?? 0;
    if (count >= SERVER_CONNECTIONS) {
      throw new Error(`the server has ${SERVER_CONNECTIONS} connections already; close some, or use a pool`);
    }
    held.set(server, count + 1);
    return () => {
      const left = (held.get(server) ?? 0) - 1;
      if (left > 0) held.set(server, left);
      else held.delete(server);
    };
  }

  async function signInAs(keeps: Keeps): Promise<Socket> {
    const user = `offing-${keeps.server}`;
    const password = createHmac("sha256", options.key).update(`valkey ${user}`).digest("base64url");
    await grant(keeps, user, password);
    const connection = await dial();
    try {
      await connection.command("AUTH", user, password);
      return connection.detach();
    } catch (error) {
      connection.close();
      users.clear();
      throw error;
    }
  }

  return {
    available: async () => url !== undefined || (await find()) !== null,
    async connect(keeps) {
      const leave = enter(keeps.server);
      try {
        return (await signInAs(keeps)).once("close", leave);
      } catch (error) {
        leave();
        throw error;
      }
    },
    async adopt(keeps) {
      const queue = queueOf(keeps);
      const stream = `${queue}:stream`;
      try {
        const pending = await command("XPENDING", stream, WORKERS, "-", "+", "1000");
        const ids = (Array.isArray(pending) ? pending : []).flatMap((entry: Reply) =>
          Array.isArray(entry) ? [String(entry[0])] : [],
        );
        if (ids.length === 0) return;
        const idle = String(ABANDONED_MS);
        await command("XCLAIM", stream, WORKERS, "gone", "0", ...ids, "IDLE", idle, "JUSTID");
        await command("DEL", `${queue}:leases:redelivery-sweep`);
      } catch (error) {
        // There is no such queue yet.
        if (!(error instanceof ReplyError) || !error.message.startsWith("NOGROUP")) throw error;
      }
    },
    async unfinished(keeps) {
      // Whoever keeps something has connected.
      if (url === undefined && (await child?.catch(() => undefined))?.running !== true) return false;
      const queue = queueOf(keeps);
      const [running, waiting] = await Promise.all([
        command("XLEN", `${queue}:stream`),
        command("ZCARD", `${queue}:queue`),
      ]);
      return Number(running) + Number(waiting) > 0;
    },
    async close() {
      closed = true;
      const running = await child?.catch(() => undefined);
      watch?.stop();
      (await admin?.catch(() => undefined))?.close();
      await running?.close();
    },
  };
}

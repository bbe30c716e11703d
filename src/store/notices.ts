import { sql } from "kysely";
import pg from "pg";
import { type Log, messageOf } from "../lib/log.ts";
import type { Db, Tx } from "./database.ts";

/**
 * Wakes listeners over all processes, by PostgreSQL's NOTIFY. A notice carries
 * a subject and nothing else: who is woken reads the tables. Notices may be
 * lost when the connection breaks; listeners are then woken with `null`, which
 * means: anything may have changed.
 */
export interface Notices {
  /** Runs `listener` for each notice of `channel`, until the returned function is called. */
  on(channel: Channel, listener: (subject: string | null) => void): () => void;
  /** How many listen to a channel here. */
  listening(channel: Channel): number;
  /** Delivered when the transaction commits. */
  send(tx: Tx | Db, channel: Channel, subject: string): Promise<void>;
  /** The connection itself, for session-level advisory locks. */
  query(text: string, values: unknown[]): Promise<void>;
  close(): Promise<void>;
}

export type Channel = "changes" | "builds" | "records" | "lines";

export async function openNotices(
  connection: pg.PoolConfig,
  log: Log,
  onReconnect?: () => Promise<void>,
): Promise<Notices> {
  const listeners = new Map<string, Set<(subject: string | null) => void>>();
  let closed = false;
  let reconnecting = false;
  let client = await connect();

  async function connect(): Promise<pg.Client> {
    const next = new pg.Client(connection);
    next.on("notification", ({ channel, payload }) => tell(channel, payload ?? null));
    next.on("error", (error) => log.warn("the listening connection broke", { error: error.message }));
    try {
      await next.connect();
      for (const channel of ["changes", "builds", "records", "lines"])
        await next.query(`listen offing_${channel}`);
    } catch (error) {
      await next.end().catch(() => {});
      throw error;
    }
    // Only a connection that stood: one that never came ends too, and has its own next attempt.
    next.on("end", () => {
      if (!closed && !reconnecting) void reconnect();
    });
    return next;
  }

  async function reconnect(): Promise<void> {
    reconnecting = true;
    for (let wait = 50; !closed; wait = Math.min(wait * 2, 2000)) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      try {
        client = await connect();
        if (closed) return await client.end();
        await onReconnect?.();
        reconnecting = false;
        for (const channel of listeners.keys()) tell(channel, null);
        return;
      } catch (error) {
        log.warn("the listening connection is not back yet", { error: messageOf(error) });
        await client.end().catch(() => {});
      }
    }
  }

  function tell(channel: string, subject: string | null): void {
    for (const listener of listeners.get(channel) ?? []) listener(subject);
  }

  return {
    on(channel, listener) {
      const name = `offing_${channel}`;
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    listening: (channel) => listeners.get(`offing_${channel}`)?.size ?? 0,
    async send(tx, channel, subject) {
      await sql`select pg_notify(${`offing_${channel}`}, ${subject})`.execute(tx);
    },
    async query(text, values) {
      await client.query(text, values);
    },
    async close() {
      closed = true;
      await client.end().catch(() => {});
    },
  };
}

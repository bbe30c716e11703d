import { Agent } from "undici";
import { afterEach } from "vitest";
import { openSession, sessionHeaders } from "../../src/upstream/handshake.ts";
import { overSse, type SseLimits } from "../../src/upstream/http-sse/dispatcher.ts";
import type { Dial } from "../../src/upstream/dial.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { ScriptedSse } from "./sse-scripted.ts";

let open: (() => Promise<unknown>)[] = [];

/** Has it closed when the test is over. */
export function closing(...close: (() => Promise<unknown>)[]): void {
  open.push(...close);
}

afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
});

export const hello = {
  protocolVersion: "2025-11-25",
  clientInfo: { name: "t", version: "1" },
  capabilities: {},
};
export const bounds = () => ({ signal: AbortSignal.timeout(10_000), maxBytes: 32 * 1024 * 1024 });

/** A scripted server, and what speaks to it. */
export async function place(limits: Partial<SseLimits> = {}) {
  const server = await ScriptedSse.start();
  const agent = new Agent();
  const plain = createPools({ guarded: () => agent }).external("org", server.url);
  const dial = overSse(plain, "here", limits);
  open.push(
    () => server[Symbol.asyncDispose](),
    () => agent.destroy(),
    () => dial.dispatcher.destroy(),
  );
  return { server, plain, dial };
}

export const session = async (dial: Dial) => {
  const opened = await openSession(dial, hello, {}, bounds());
  return { id: opened.id!, headers: sessionHeaders(opened) };
};

export const request = (id: string | number, method = "tools/call", params = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});

/** Sends text as a POST and resolves with the whole answer. */
export async function posting(dial: Dial, headers: Record<string, string>, text: string) {
  const { origin, path } = dial;
  const answer = await dial.dispatcher.request({ origin, path, method: "POST", headers, body: text });
  return { status: answer.statusCode, text: await answer.body.text() };
}

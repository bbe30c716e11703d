import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { youngGeneration } from "./figures.ts";

/** The processes of a gateway bench, and the requests that are sent to them. */
const folder = mkdtempSync(join(tmpdir(), "ob-"));
const key = `off_${randomBytes(24).toString("base64url")}`;
export const socket = (name: string) => join(folder, name);
const start = async (file: string, ...args: string[]): Promise<ChildProcess> => {
  const child = fork(join(import.meta.dirname, file), args, { execArgv: youngGeneration });
  await once(child, "message");
  return child;
};
const upstream = await start("upstream.ts", socket("u"));
export const forwarder = await start("forwarder.ts", socket("u"), socket("f"));
export const gateway = await start("gateway-process.ts", socket("u"), socket("g"), key);

/** CPU in microseconds, memory in bytes. */
export interface Usage {
  user: number;
  system: number;
  rss?: number;
}
export async function usage(child: ChildProcess): Promise<Usage> {
  child.send("usage");
  const [message] = (await once(child, "message")) as [Usage];
  return message;
}

const plain = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const authorized = { ...plain, authorization: `Bearer ${key}` };
const sessionId = await session();

/** A request as the bench sends it. */
export interface Sent {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The same call in each era, and to the upstream itself. `tool`: "add" is answered with JSON, "stream" with events. */
export function callsOf(tool: "add" | "stream"): {
  stateless: Sent;
  handshake: Sent;
  bare: Sent;
  forwarded: Sent;
} {
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: tool, arguments: { a: 2, b: 3 } },
  };
  const body = JSON.stringify(call);
  const stateless = {
    path: "/acme/bench/mcp",
    headers: {
      ...authorized,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": tool,
    },
    body: JSON.stringify({
      ...call,
      params: {
        ...call.params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {},
          "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
        },
      },
    }),
  };
  const headers = { ...authorized, "mcp-protocol-version": "2025-11-25", "mcp-session-id": sessionId };
  return {
    stateless,
    handshake: { path: "/acme/bench/mcp", headers, body },
    bare: { path: "/mcp", headers: plain, body },
    forwarded: { path: "/mcp", headers: plain, body: stateless.body },
  };
}

/** The session id that `initialize` answers with. */
async function session(): Promise<string> {
  const req = request({
    socketPath: socket("g"),
    path: "/acme/bench/mcp",
    method: "POST",
    headers: authorized,
  });
  req.end(
    JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "bench", version: "1" },
      },
    }),
  );
  const [response] = await once(req, "response");
  response.resume();
  return String(response.headers["mcp-session-id"]);
}

export function stop(): void {
  for (const child of [gateway, forwarder, upstream]) child.kill();
  rmSync(folder, { recursive: true, force: true });
}

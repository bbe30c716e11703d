import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { afterEach } from "vitest";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import { TestGateway } from "./harness.ts";
import { type Received, ScriptedUpstream } from "./scripted.ts";

let open: (AsyncDisposable | undefined)[] = [];
afterEach(async () => {
  for (const each of open.reverse()) await each?.[Symbol.asyncDispose]();
  open = [];
});
export function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

/** A gateway, a scripted upstream behind it, and a key for it. */
export async function scene(
  script: (received: Received) => void | Promise<void>,
  options: { windowMs?: number; idleMs?: number; limits?: Partial<GatewayLimits> } = {},
) {
  const upstream = keep(await ScriptedUpstream.start(script));
  const world = keep(await TestGateway.start({ idleMs: options.idleMs ?? 60_000, ...options.limits }));
  const url = world.publish("s", {
    address: upstream.address,
    ...(options.windowMs === undefined ? {} : { windowMs: options.windowMs }),
  });
  const { key } = world.key({ roles: { s: "user" } });
  return { upstream, world, url, key };
}

/** Posts with a client that can be cut off. */
export function post(
  url: string,
  key: string,
  given: { headers: Record<string, string>; body: string },
  method = "POST",
): ClientRequest {
  const req = request(url, { method, headers: { ...given.headers, authorization: `Bearer ${key}` } });
  req.on("error", () => {});
  req.end(given.body);
  return req;
}

export async function responseOf(req: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(req, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return response;
}

export async function text(response: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export function handshakeCall(session: string, tool: string, args = {}) {
  return {
    headers: {
      "content-type": "application/json",
      "mcp-session-id": session,
      "mcp-protocol-version": "2025-11-25",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 7,
      method: "tools/call",
      params: { name: tool, arguments: args },
    }),
  };
}

export function deferred() {
  return Promise.withResolvers<void>();
}

export const event = (value: unknown) => `event: message\ndata: ${JSON.stringify(value)}\n\n`;
export const result = { jsonrpc: "2.0", id: 7, result: { content: [], resultType: "complete" } };

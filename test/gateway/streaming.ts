import type { GatewayLimits } from "../../src/gateway/limits.ts";
import { reads } from "./reading.ts";
import { event, handshakeCall, post, responseOf, scene, text } from "./scene.ts";
import { openSession, type Received, wellBehaved } from "./scripted.ts";

export const progress = (at: number) => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: at },
});
export const elicit = { jsonrpc: "2.0", id: "e1", method: "elicitation/create", params: { message: "?" } };

/** A call of a client that reads both forms of answers. */
export function call(session: string, name = "t") {
  const given = handshakeCall(session, name);
  return { ...given, headers: { ...given.headers, ...reads } };
}

/** Opens a session of an older revision. */
export async function olderSession(url: string, key: string, revision: string): Promise<string> {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: "old", version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const response = await responseOf(
    post(url, key, { headers: { "content-type": "application/json" }, body }),
  );
  await text(response);
  return String(response.headers["mcp-session-id"]);
}

/** A scene whose tool calls are answered by `serve`, step by step. */
export async function streaming(
  serve: (received: Received) => void | Promise<void>,
  limits: Partial<GatewayLimits> = {},
) {
  const made = await scene(
    async (received) => {
      if (received.message.method === "tools/call") await serve(received);
      else wellBehaved(received);
    },
    { limits },
  );
  return { ...made, session: await openSession(made.url, made.key) };
}

/** Begins to answer with an event stream. */
export function begin({ res }: Received, ...messages: unknown[]): void {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(messages.map(event).join(""));
}

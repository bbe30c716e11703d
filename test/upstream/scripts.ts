import type { Seen, SdkServer } from "./sdk-server.ts";

type Instead = NonNullable<SdkServer["instead"]>;

const answer = (id: unknown, body: object) => JSON.stringify({ jsonrpc: "2.0", id, ...body });

/** A server that speaks the stateless revision only, with one tool. */
export const statelessOnly: Instead = ({ message }: Seen) => {
  const { id, method } = message ?? {};
  const complete = { resultType: "complete" };
  const meta = message?.params?.["_meta"] as Record<string, unknown> | undefined;
  const served = method === "server/discover" || method === "tools/list" || method === "tools/call";
  if (served && meta?.["io.modelcontextprotocol/protocolVersion"] === undefined) {
    return { status: 400, body: answer(id, { error: { code: -32602, message: "No envelope" } }) };
  }
  const cached = { ...complete, ttlMs: 0, cacheScope: "private" };
  switch (method) {
    case "server/discover":
      return {
        status: 200,
        body: answer(id, {
          result: { ...cached, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } },
        }),
      };
    case "tools/list":
      return {
        status: 200,
        body: answer(id, {
          result: { ...cached, tools: [{ name: "new", inputSchema: { type: "object" } }] },
        }),
      };
    case "tools/call":
      return {
        status: 200,
        body: answer(id, { result: { ...complete, content: [{ type: "text", text: "stateless" }] } }),
      };
    default:
      return {
        status: 404,
        body: answer(id ?? null, { error: { code: -32601, message: "Method not found" } }),
      };
  }
};

/** A server that speaks both: the stateless revision to who claims it, the handshake era to others. */
export const bothEras: Instead = (seen: Seen) => {
  const meta = seen.message?.params?.["_meta"] as Record<string, unknown> | undefined;
  return meta?.["io.modelcontextprotocol/protocolVersion"] === undefined ? undefined : statelessOnly(seen);
};

import { isObject, type JsonObject, meta } from "../mcp/envelope.ts";
import { type Era, isHandshakeRevision, newestHandshake, newestStateless } from "../mcp/eras.ts";
import { ask, AskError, type AskOptions } from "./client.ts";
import type { Dial } from "./pool.ts";

/** How a client of ours names itself upstream. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** An upstream as spoken to in one era. */
export interface Voice {
  readonly era: Era;
  /** What `server/discover` or `initialize` answered. */
  readonly hello: JsonObject;
  request(method: string, params: JsonObject): Promise<Reply>;
}

export type Reply =
  | { readonly kind: "result"; readonly result: JsonObject }
  | { readonly kind: "error"; readonly code: number; readonly message: string };

/**
 * Asks an upstream in both eras; the voices in which it answers, stateless
 * first. A server is asked in each by itself, since a server that speaks
 * both refuses neither (2026-07-28, basic/versioning). Throws AskError when it
 * cannot be reached at all.
 */
export async function detectEras(dial: Dial, client: ClientInfo, options: AskOptions): Promise<Voice[]> {
  const found = await Promise.allSettled([
    statelessVoice(dial, client, options),
    handshakeVoice(dial, client, options),
  ]);
  const voices = found.flatMap((outcome) =>
    outcome.status === "fulfilled" && outcome.value !== undefined ? [outcome.value] : [],
  );
  if (voices.length > 0) return voices;
  for (const outcome of found) if (outcome.status === "rejected") throw outcome.reason;
  throw new AskError("The server answers neither `server/discover` nor `initialize`.");
}

async function statelessVoice(
  dial: Dial,
  client: ClientInfo,
  options: AskOptions,
): Promise<Voice | undefined> {
  let id = 0;
  const request = async (method: string, params: JsonObject): Promise<Reply> => {
    const message = {
      jsonrpc: "2.0",
      id: ++id,
      method,
      params: {
        ...params,
        _meta: {
          [meta.protocolVersion]: newestStateless,
          [meta.clientCapabilities]: {},
          [meta.clientInfo]: client,
        },
      },
    };
    const headers = { "mcp-protocol-version": newestStateless, "mcp-method": method };
    return replyOf((await ask(dial, message, headers, options)).response);
  };
  const hello = await request("server/discover", {});
  if (hello.kind !== "result" || !Array.isArray(hello.result["supportedVersions"])) return;
  if (!hello.result["supportedVersions"].includes(newestStateless)) return;
  return { era: "stateless", hello: hello.result, request };
}

async function handshakeVoice(
  dial: Dial,
  client: ClientInfo,
  options: AskOptions,
): Promise<Voice | undefined> {
  const first = await ask(
    dial,
    {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: newestHandshake, capabilities: {}, clientInfo: client },
    },
    {},
    options,
  );
  const hello = replyOf(first.response);
  if (hello.kind !== "result") return;
  const revision = hello.result["protocolVersion"];
  if (typeof revision !== "string" || !isHandshakeRevision(revision)) return;
  const headers: Record<string, string> = { "mcp-protocol-version": revision };
  const session = first.headers["mcp-session-id"];
  if (typeof session === "string") headers["mcp-session-id"] = session;
  await ask(dial, { jsonrpc: "2.0", method: "notifications/initialized" }, headers, options);
  let id = 0;
  return {
    era: "handshake",
    hello: hello.result,
    async request(method, params) {
      const message = { jsonrpc: "2.0", id: ++id, method, params };
      return replyOf((await ask(dial, message, headers, options)).response);
    },
  };
}

function replyOf(response: JsonObject | undefined): Reply {
  if (isObject(response?.["result"])) return { kind: "result", result: response["result"] };
  const error = response?.["error"];
  if (isObject(error) && typeof error["code"] === "number") {
    return { kind: "error", code: error["code"], message: String(error["message"]) };
  }
  throw new AskError("The server's answer is not a JSON-RPC response.");
}

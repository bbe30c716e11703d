import { isObject, type JsonObject } from "../mcp/envelope.ts";
import { isHandshakeRevision } from "../mcp/eras.ts";
import { type Answer, ask, AskError, type AskOptions } from "./client.ts";
import type { Dial } from "./dial.ts";

/** What a client says of itself in `initialize`. */
export interface Hello {
  readonly protocolVersion: string;
  readonly clientInfo: { readonly name: string; readonly version: string };
  readonly capabilities: JsonObject;
}

/** A session that an upstream opened. */
export interface UpstreamSession {
  /** Its own Mcp-Session-Id; undefined: it keeps no sessions. */
  readonly id: string | undefined;
  /** The revision that both agreed on. */
  readonly revision: string;
  /** The result of `initialize`. */
  readonly result: JsonObject;
}

/** Characters of a session id that are kept; it is sealed into ours, which a header must carry. */
const SESSION_ID_LENGTH = 1024;

const visible = /^[\x21-\x7e]+$/;

/**
 * The session id that an upstream named in an answer's headers; undefined where
 * it named none. Throws AskError for one that cannot be kept (2025-11-25,
 * basic/transports: visible ASCII).
 */
export function sessionIdOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === "") return;
  if (typeof header !== "string" || header.length > SESSION_ID_LENGTH || !visible.test(header)) {
    throw new AskError(
      `The server's Mcp-Session-Id is not 1 to ${SESSION_ID_LENGTH} characters of visible ASCII.`,
    );
  }
  return header;
}

/**
 * Opens a session: `initialize`, then `notifications/initialized`. Throws
 * AskError when the upstream cannot be asked, or does not agree on a revision of
 * the handshake era; its `answer` says what came instead.
 */
export async function openSession(
  dial: Dial,
  hello: Hello,
  headers: Readonly<Record<string, string>>,
  options: AskOptions,
): Promise<UpstreamSession> {
  const answer = await ask(
    dial,
    { jsonrpc: "2.0", id: 0, method: "initialize", params: { ...hello } },
    headers,
    options,
  );
  const { response } = answer;
  const result = response?.["result"];
  const revision = isObject(result) ? result["protocolVersion"] : undefined;
  if (!isObject(result) || typeof revision !== "string" || !isHandshakeRevision(revision)) {
    throw new AskError(refused(answer), { answer });
  }
  const id = sessionIdOf(answer.headers["mcp-session-id"]);
  const opened = { ...headers, ...sessionHeaders({ id, revision }) };
  await ask(dial, { jsonrpc: "2.0", method: "notifications/initialized" }, opened, options);
  return { id, revision, result };
}

/** What every request of a session carries. */
export function sessionHeaders(session: Pick<UpstreamSession, "id" | "revision">): Record<string, string> {
  return {
    "mcp-protocol-version": session.revision,
    ...(session.id === undefined ? {} : { "mcp-session-id": session.id }),
  };
}

const TELL_MS = 5_000;

/** Tells the upstream that a session is over; whether it listens is its own matter. */
export async function endSession(
  dial: Dial,
  session: Pick<UpstreamSession, "id" | "revision">,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  if (session.id === undefined) return;
  try {
    const { body } = await dial.dispatcher.request({
      origin: dial.origin,
      path: dial.path,
      method: "DELETE",
      headers: { ...headers, ...sessionHeaders(session) },
      signal: AbortSignal.timeout(TELL_MS),
    });
    await body.dump();
  } catch {
    // It ends its idle sessions by itself.
  }
}

function refused({ status, response }: Answer): string {
  const error = response?.["error"];
  const words = isObject(error) && typeof error["message"] === "string" ? `: ${error["message"]}` : "";
  if (status >= 300) return `The server answered \`initialize\` with HTTP ${status}${words.slice(0, 300)}`;
  return isObject(error)
    ? `The server refused \`initialize\`${words.slice(0, 300)}`
    : "The server's answer to `initialize` is not one of MCP.";
}

import { type JsonObject, type Message, meta, metaOf, type RequestId } from "../../mcp/envelope.ts";
import {
  type Era,
  handshakeRevisions,
  isHandshakeRevision,
  isStatelessRevision,
  unnamedHandshake,
} from "../../mcp/eras.ts";
import { codes } from "../../mcp/errors.ts";
import { readMessage } from "../../mcp/envelope.ts";
import { type Method, methods, noteNeeds } from "../../mcp/methods.ts";
import { isFault, readStateless, shortText, type StatelessEnvelope } from "../../mcp/stateless.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { Refusal } from "../refusal.ts";

/** A request message and what is known of its method. */
export interface Asked {
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject;
  readonly body: JsonObject;
  readonly known: Method;
}

/** What a POST turned out to be. */
export type Envelope =
  | { readonly kind: "initialize"; readonly request: Asked }
  | { readonly kind: "handshake"; readonly request: Asked }
  /** A notification or a response of a handshake client. */
  | { readonly kind: "note"; readonly message: Message & { kind: "notification" | "response" } }
  | { readonly kind: "stateless"; readonly request: Asked; readonly envelope: StatelessEnvelope }
  | { readonly kind: "stateless_note" };

/** What the sender needs on the server; undefined for what is heard by nobody. */
export function needsOf(envelope: Envelope): Method["needs"] | undefined {
  if ("request" in envelope) return envelope.request.known.needs;
  if (envelope.kind === "stateless_note") return;
  const { message } = envelope;
  return noteNeeds(message.kind === "response" ? undefined : message.method);
}

/**
 * Tells the era of a posted body and judges its form (2026-07-28,
 * basic/versioning): the claim in `_meta` makes it stateless, `initialize`
 * or a session id makes it handshake, then the version header decides.
 */
export function readEnvelope(x: Exchange, depth: number): Envelope {
  const message = readMessage(x.body, depth);
  const { headers } = x.req;
  const version = headers["mcp-protocol-version"];
  if (message.kind === "invalid") {
    throw new Refusal("protocol", 400, message.reason, { code: codes[message.code] });
  }
  if (message.kind === "batch") {
    throw new Refusal(
      "protocol",
      400,
      version === undefined || version === unnamedHandshake
        ? "Batches are not accepted here; post each message by itself."
        : "A batch is not a message of this protocol revision; post each message by itself.",
      { code: codes.invalidRequest },
    );
  }
  if (message.kind === "request") x.id = message.id;
  if (message.kind !== "response") {
    x.record.method = message.method.slice(0, 120);
    if (eraOf(message, headers["mcp-session-id"], version) === "stateless") return stateless(x, message);
  }
  return handshake(x, message);
}

function eraOf(
  message: Message & { kind: "request" | "notification" },
  session: string | string[] | undefined,
  version: string | string[] | undefined,
): Era {
  if (metaOf(message.params)?.[meta.protocolVersion] !== undefined) return "stateless";
  if (message.method === "initialize" || session !== undefined) return "handshake";
  return typeof version === "string" && isStatelessRevision(version) ? "stateless" : "handshake";
}

function stateless(x: Exchange, message: Message & { kind: "request" | "notification" }): Envelope {
  x.record.era = "stateless";
  if (message.kind === "notification") return { kind: "stateless_note" };
  const envelope = readStateless(message, x.req.headers);
  if (isFault(envelope)) {
    const { status, code, data } = envelope;
    throw new Refusal("protocol", status, envelope.message, data === undefined ? { code } : { code, data });
  }
  x.record.protocol_version = envelope.revision;
  x.record.client_name = envelope.clientName;
  x.record.client_version = envelope.clientVersion;
  return { kind: "stateless", request: known(x, message, "stateless"), envelope };
}

/** Throws the 405 for a method that the named revision has no more: since 2026-07-28 all is posted (basic/transports/streamable-http). */
export function judgeMethod({ req }: Exchange, instead: string): void {
  const version = req.headers["mcp-protocol-version"];
  if (typeof version !== "string" || !isStatelessRevision(version)) return;
  throw new Refusal("protocol", 405, `Revision ${version} has no ${req.method}; ${instead}.`, {
    headers: { allow: "POST" },
  });
}

/** The revision that a handshake request names; throws the 400 for one that is not served. */
export function judgeRevision(x: Exchange): void {
  const spoken = x.req.headers["mcp-protocol-version"] ?? unnamedHandshake;
  if (typeof spoken !== "string" || !isHandshakeRevision(spoken)) {
    throw new Refusal(
      "protocol",
      400,
      `The header MCP-Protocol-Version names no revision that is served here. Served: ${handshakeRevisions.join(", ")}.`,
      { code: codes.invalidRequest },
    );
  }
  x.record.protocol_version = spoken;
}

function handshake(
  x: Exchange,
  message: Message & { kind: "request" | "notification" | "response" },
): Envelope {
  x.record.era = "handshake";
  if (message.kind === "request" && message.method === "initialize") {
    const client = message.params["clientInfo"] as JsonObject | undefined;
    x.record.client_name = shortText(client?.["name"]);
    x.record.client_version = shortText(client?.["version"]);
    return { kind: "initialize", request: known(x, message, "handshake") };
  }
  judgeRevision(x);
  if (message.kind === "notification" && !message.method.startsWith("notifications/")) {
    // Notes pass unjudged, so nothing that a server could take for a call may be one.
    throw new Refusal("protocol", 400, `The method ${message.method.slice(0, 120)} needs an "id".`, {
      code: codes.invalidRequest,
    });
  }
  if (message.kind !== "request") return { kind: "note", message };
  return { kind: "handshake", request: known(x, message, "handshake") };
}

function known(x: Exchange, message: Message & { kind: "request" }, era: Era): Asked {
  const method = methods.get(message.method);
  if (method === undefined || !method.eras.includes(era)) {
    throw new Refusal(
      "protocol",
      // A handshake client takes 404 for the end of its session.
      era === "stateless" ? 404 : 200,
      `The method ${message.method.slice(0, 120)} is not served here.`,
      { code: codes.methodNotFound },
    );
  }
  if (method.names !== null && method.names.kind !== null) {
    const name = message.params[method.names.parameter];
    x.record.capability_kind = method.names.kind;
    x.record.capability_name = typeof name === "string" ? name : null;
  }
  return {
    id: message.id,
    method: message.method,
    params: message.params,
    body: message.body,
    known: method,
  };
}

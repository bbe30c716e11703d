import { isUtf8 } from "node:buffer";
import { newestHandshake } from "./eras.ts";

export type RequestId = string | number;
export type JsonObject = { readonly [key: string]: unknown };

/** One JSON-RPC message that a client posted. `body` is the object as parsed. */
export type Message =
  | {
      readonly kind: "request";
      readonly id: RequestId;
      readonly method: string;
      readonly params: JsonObject;
      readonly body: JsonObject;
    }
  | {
      readonly kind: "notification";
      readonly method: string;
      readonly params: JsonObject;
      readonly body: JsonObject;
    }
  | { readonly kind: "response"; readonly id: RequestId; readonly body: JsonObject }
  | { readonly kind: "batch" }
  | { readonly kind: "invalid"; readonly code: "parse" | "invalidRequest"; readonly reason: string };

/** The keys of `params._meta` that a stateless request carries (2026-07-28, basic). */
export const meta = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
} as const;

const none: JsonObject = Object.freeze({});

/**
 * Reads one posted body (JSON-RPC 2.0). `depth` bounds how deep values may nest.
 * A key that occurs twice in one object of the outer three levels (message,
 * params, and what stands directly in params) is refused: readers differ in
 * which of the two counts, so the server could see another than was judged.
 */
export function readMessage(bytes: Buffer, depth: number): Message {
  const members = outerMembers(bytes, depth);
  if (members < 0) return invalid("invalidRequest", `The body nests deeper than ${depth} levels.`);
  // Readers differ in what they make of other bytes (RFC 8259, 8.1 asks for UTF-8).
  if (!isUtf8(bytes)) return invalid("parse", "The body is not UTF-8.");
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return invalid("parse", "The body is not JSON.");
  }
  if (Array.isArray(value)) return { kind: "batch" };
  if (!isObject(value)) return invalid("invalidRequest", "The body is not a JSON-RPC message.");
  if (members !== countMembers(value, 1)) {
    return invalid("invalidRequest", "A key occurs twice in one object of the body.");
  }
  if (value["jsonrpc"] !== "2.0") return invalid("invalidRequest", 'The body lacks "jsonrpc": "2.0".');
  const { id, method, params } = value;
  if (method === undefined) {
    if (!isId(id) || !("result" in value || "error" in value)) {
      return invalid("invalidRequest", 'The body has neither a "method" nor a "result" or "error".');
    }
    return { kind: "response", id, body: value };
  }
  if (typeof method !== "string") return invalid("invalidRequest", '"method" is not a string.');
  if (params !== undefined && !isObject(params)) {
    return invalid("invalidRequest", '"params" is not an object.');
  }
  if (!("id" in value)) return { kind: "notification", method, params: params ?? none, body: value };
  if (!isId(id)) return invalid("invalidRequest", '"id" is neither a string nor a whole number.');
  return { kind: "request", id, method, params: params ?? none, body: value };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `params._meta`, where it is an object. */
export function metaOf(params: JsonObject): JsonObject | undefined {
  const value = params["_meta"];
  return isObject(value) ? value : undefined;
}

/**
 * The same message in the handshake era's words: the envelope's keys leave
 * `_meta`; progress token, trace context and foreign keys stay.
 */
export function toHandshake(message: { readonly params: JsonObject; readonly body: JsonObject }): string {
  const given = metaOf(message.params);
  if (given === undefined) return JSON.stringify(message.body);
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    if (!key.startsWith("io.modelcontextprotocol/")) kept[key] = given[key];
  }
  // `task` asks for the experimental kind of task, whose answer no stateless client could read.
  const { _meta: _, task: __, ...params } = message.params;
  return JSON.stringify({
    ...message.body,
    params: Object.keys(kept).length === 0 ? params : { ...params, _meta: kept },
  });
}

/** The revision that is spoken to an upstream of the handshake era on a stateless client's behalf. */
export const translatedRevision = newestHandshake;

/**
 * The text that a mirrored header stands for: `=?base64?…?=` decoded, anything
 * else as it is (2026-07-28, basic/transports/streamable-http, "Value
 * Encoding"). Undefined for what cannot be a value: a sentinel that is not
 * canonical Base64 of UTF-8, or characters that no header may hold.
 */
export function headerText(value: string): string | undefined {
  if (!value.startsWith("=?base64?") || !value.endsWith("?=") || value.length < 11) {
    return visible.test(value) ? value : undefined;
  }
  const encoded = value.slice(9, -2);
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded || !isUtf8(bytes)) return;
  return bytes.toString();
}

/** How a mirrored header carries a text; the inverse of `headerText`. */
export function headerValue(text: string): string {
  const plain = visible.test(text) && text.trim() === text;
  if (plain && !(text.startsWith("=?base64?") && text.endsWith("?="))) return text;
  return `=?base64?${Buffer.from(text.toWellFormed()).toString("base64")}?=`;
}

const visible = /^[\x20-\x7e\t]*$/;

export function isId(value: unknown): value is RequestId {
  return typeof value === "string" || (typeof value === "number" && Number.isInteger(value));
}

function invalid(code: "parse" | "invalidRequest", reason: string): Message {
  return { kind: "invalid", code, reason };
}

/** Levels whose keys must be unique: all that is judged by stands in them. */
const JUDGED_LEVELS = 3;

/**
 * How many members (`"key": value`) the objects of the judged levels have in
 * JSON text, counted by their colons; -1 when anything nests deeper than `limit`.
 */
function outerMembers(bytes: Buffer, limit: number): number {
  const { length } = bytes;
  let depth = 0;
  let members = 0;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    // Most bytes are letters and digits, or within strings.
    if (byte === 34) {
      for (i++; i < length && bytes[i] !== 34; i++) if (bytes[i] === 92) i++;
    } else if (byte === 58) {
      if (depth <= JUDGED_LEVELS) members++;
    } else if (byte === 123 || byte === 91) {
      if (++depth > limit) return -1;
    } else if (byte === 125 || byte === 93) depth--;
  }
  return members;
}

/** The same count in a parsed value, in which each key is there once. */
function countMembers(value: object, depth: number): number {
  if (Array.isArray(value)) {
    if (depth === JUDGED_LEVELS) return 0;
    return value.reduce<number>((sum, inner) => sum + membersWithin(inner, depth + 1), 0);
  }
  let members = 0;
  for (const key in value) {
    members++;
    if (depth < JUDGED_LEVELS) members += membersWithin((value as JsonObject)[key], depth + 1);
  }
  return members;
}

function membersWithin(value: unknown, depth: number): number {
  return typeof value === "object" && value !== null ? countMembers(value, depth) : 0;
}

import { isObject, type JsonObject, meta, metaOf, type RequestId } from "./envelope.ts";
import { newestStateless } from "./eras.ts";
import { codes } from "./errors.ts";
import type { Manifest } from "./manifest.ts";
import { methods } from "./methods.ts";

/** Log levels of RFC 5424, least severe first. */
export const logLevels = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
] as const;

export function isLogLevel(value: unknown): value is (typeof logLevels)[number] {
  return typeof value === "string" && (logLevels as readonly string[]).includes(value);
}

/** What a message of an upstream becomes: itself, another, nothing, or the end of the exchange. */
export type Rewritten =
  | { readonly kind: "pass"; readonly message: JsonObject }
  | { readonly kind: "drop" }
  | { readonly kind: "impossible"; readonly reason: string };

export type Rewrite = (message: JsonObject) => Rewritten;

const drop: Rewritten = { kind: "drop" };

/**
 * Turns what a handshake upstream answers into the stateless era's words, for
 * one request: results gain `resultType`, cache hints and the server's
 * name; a missing resource's code changes; progress stays; log messages
 * stay where the client asked for their level; other notifications have no
 * place on a request's stream.
 */
export function toStateless(request: {
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject;
  readonly logLevel: string | undefined;
  readonly serverInfo: unknown;
}): Rewrite {
  const cacheable = methods.get(request.method)?.cacheable === true;
  const byLevel = keepLogs(request.logLevel ?? "none");
  const wantsProgress = metaOf(request.params)?.["progressToken"] !== undefined;
  return (message) => {
    if (typeof message["method"] === "string") {
      if ("id" in message) {
        return {
          kind: "impossible",
          reason: `The server asked the client for ${message["method"]} while it answered. It speaks only the handshake revisions, in which that is a request of its own; a ${newestStateless} client cannot be asked so through this gateway yet. Call it with a handshake client.`,
        };
      }
      if (message["method"] === "notifications/message") return byLevel(message);
      return message["method"] === "notifications/progress" && wantsProgress
        ? { kind: "pass", message }
        : drop;
    }
    const result = message["result"];
    if (isObject(result)) {
      return {
        kind: "pass",
        message: { ...message, id: request.id, result: completed(result, cacheable, request.serverInfo) },
      };
    }
    const error = message["error"];
    if (isObject(error) && error["code"] === codes.resourceNotFound) {
      return {
        kind: "pass",
        message: { ...message, id: request.id, error: { ...error, code: codes.invalidParams } },
      };
    }
    return { kind: "pass", message: { ...message, id: request.id } };
  };
}

/** Drops log messages that are less severe than `level`; all of them for "none". */
export function keepLogs(level: string): Rewrite {
  const least = level === "none" ? Infinity : (logLevels as readonly string[]).indexOf(level);
  return (message) => {
    if (message["method"] !== "notifications/message") return { kind: "pass", message };
    const params = message["params"];
    const given = isObject(params) ? (logLevels as readonly unknown[]).indexOf(params["level"]) : -1;
    return given >= least ? { kind: "pass", message } : drop;
  };
}

/** What of a server's capabilities a request through this gateway can reach. */
const reachable = ["tools", "prompts", "resources", "completions", "logging", "experimental", "extensions"];
/** Told or asked for on streams of their own, which are not carried yet. */
const unreachable = new Set(["listChanged", "subscribe", "io.modelcontextprotocol/tasks"]);

/**
 * The answer to `initialize` or `server/discover` without what cannot be used
 * here: list changes, subscriptions and tasks.
 */
export function announceReachable(message: JsonObject): JsonObject {
  const result = message["result"];
  if (!isObject(result) || !isObject(result["capabilities"])) return message;
  const capabilities: Record<string, unknown> = {};
  for (const name of reachable) {
    const given = result["capabilities"][name];
    if (!isObject(given)) continue;
    capabilities[name] = Object.fromEntries(Object.entries(given).filter(([key]) => !unreachable.has(key)));
  }
  return { ...message, result: { ...result, capabilities } };
}

/** The result of `server/discover` for a server that does not speak it, from its manifest. */
export function discoverResult(manifest: Manifest): JsonObject {
  const capabilities: Record<string, unknown> = {};
  // Only what a request can reach: no subscriptions, no list changes, no tasks.
  for (const name of ["tools", "prompts", "resources", "completions", "logging"]) {
    if (manifest.capabilities[name] !== undefined) capabilities[name] = {};
  }
  return completed(
    {
      supportedVersions: [newestStateless],
      capabilities,
      ...(manifest.instructions === undefined ? {} : { instructions: manifest.instructions }),
    },
    true,
    manifest.serverInfo,
  );
}

function completed(result: JsonObject, cacheable: boolean, serverInfo: unknown): JsonObject {
  const given = isObject(result["_meta"]) ? result["_meta"] : {};
  return {
    resultType: "complete",
    ...(cacheable ? { ttlMs: 0, cacheScope: "private" } : {}),
    ...result,
    _meta: { ...given, [meta.serverInfo]: given[meta.serverInfo] ?? serverInfo },
  };
}

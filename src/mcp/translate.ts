import { isClientRequest, lacking } from "./client-requests.ts";
import { isObject, type JsonObject, meta, metaOf, type RequestId } from "./envelope.ts";
import { type Era, newestStateless } from "./eras.ts";
import { codes } from "./errors.ts";
import type { Manifest } from "./manifest.ts";
import { methods } from "./methods.ts";
import { tasksExtension, withoutTaskSupport } from "./tasks.ts";

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
  | { readonly kind: "impossible"; readonly reason: string; readonly error?: Impossible };

/** The error that a client is told with, where the protocol has one for it. */
export interface Impossible {
  readonly status: number;
  readonly code: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export type Rewrite = (message: JsonObject) => Rewritten;

const drop: Rewritten = { kind: "drop" };

/** What the translation of an answer must know of the request. */
export interface Translated {
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject;
  readonly logLevel: string | undefined;
  readonly serverInfo: unknown;
}

/**
 * Turns what a handshake upstream answers into the stateless era's words, for
 * one request that nobody can be asked anything for: progress stays; log
 * messages stay where the client asked for their level; other notifications
 * have no place on a request's stream.
 */
export function toStateless(request: Translated): Rewrite {
  const byLevel = keepLogs(request.logLevel ?? "none");
  const wantsProgress = metaOf(request.params)?.["progressToken"] !== undefined;
  return (message) => {
    const { method, params } = message;
    if (typeof method !== "string") {
      return { kind: "pass", message: statelessResponse(request, message) };
    }
    if ("id" in message) {
      const needed = isClientRequest(method)
        ? lacking({}, { method, params: isObject(params) ? params : {} })
        : undefined;
      return needed === undefined
        ? {
            kind: "impossible",
            reason: `The server asked its client for ${method.slice(0, 120)}, which is no request of its protocol.`,
          }
        : notDeclared(method, needed);
    }
    if (method === "notifications/message") return byLevel(message);
    return method === "notifications/progress" && wantsProgress ? { kind: "pass", message } : drop;
  };
}

/**
 * The end of a request for which its server needs what the client did not declare
 * (2026-07-28, basic: MissingRequiredClientCapability).
 */
export function notDeclared(method: string, required: JsonObject): Rewritten & { kind: "impossible" } {
  const names = Object.keys(required).join(" and ");
  return {
    kind: "impossible",
    reason: `The server needs ${method} for this, and the request's clientCapabilities do not declare ${names} in the form that it needs.`,
    error: {
      status: 400,
      code: codes.missingClientCapability,
      data: { requiredCapabilities: required },
    },
  };
}

/**
 * A handshake upstream's response in the stateless era's words: results gain
 * `resultType`, cache hints and the server's name; a missing resource's code changes.
 */
export function statelessResponse(
  request: Pick<Translated, "id" | "method" | "serverInfo">,
  message: JsonObject,
): JsonObject {
  const { result, error } = message;
  const changed: Record<string, unknown> = { ...message, id: request.id };
  if (isObject(result)) {
    const cacheable = methods.get(request.method)?.cacheable === true;
    const known = request.method === "tools/list" ? withoutTaskSupport(result) : result;
    changed["result"] = completed(known, cacheable, request.serverInfo);
  } else if (isObject(error) && error["code"] === codes.resourceNotFound) {
    changed["error"] = { ...error, code: codes.invalidParams };
  } else if (isObject(error) && error["code"] === codes.urlElicitationRequired) {
    // A code that the stateless era has given up; asking with a URL is what it stood for.
    const data = { requiredCapabilities: { elicitation: { url: {} } } };
    changed["error"] = { ...error, code: codes.missingClientCapability, data };
  }
  return changed;
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
/** The lists whose changes the gateway tells by itself, of any server: another version may offer others. */
const told = new Set(["tools", "prompts", "resources"]);

/**
 * The answer to `initialize` or `server/discover` with what can be used here:
 * without tasks but in the stateless era, and with changes of every list that
 * there is. Updates of resources are told where the server tells them.
 */
export function announceReachable(message: JsonObject, era: Era = "handshake"): JsonObject {
  const result = message["result"];
  if (!isObject(result) || !isObject(result["capabilities"])) return message;
  const capabilities: Record<string, unknown> = {};
  for (const name of reachable) {
    const given = result["capabilities"][name];
    if (!isObject(given)) continue;
    const kept = Object.entries(given).filter(([key]) => era === "stateless" || key !== tasksExtension);
    capabilities[name] = { ...Object.fromEntries(kept), ...(told.has(name) ? { listChanged: true } : {}) };
  }
  return { ...message, result: { ...result, capabilities } };
}

/** The result of `server/discover` for a server that does not speak it, from its manifest. */
export function discoverResult(manifest: Manifest): JsonObject {
  const capabilities: Record<string, unknown> = {};
  // Only what is carried between the eras: no tasks, nothing experimental.
  for (const name of ["tools", "prompts", "resources", "completions", "logging"]) {
    const given = manifest.capabilities[name];
    if (given === undefined) continue;
    const updates = name === "resources" && isObject(given) && given["subscribe"] === true;
    capabilities[name] = {
      ...(told.has(name) ? { listChanged: true } : {}),
      ...(updates ? { subscribe: true } : {}),
    };
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
    ...(cacheable ? { ttlMs: 0 } : {}),
    ...result,
    // It was answered for one principal (2026-07-28, server/utilities/caching).
    ...(cacheable ? { cacheScope: "private" } : {}),
    _meta: { ...given, [meta.serverInfo]: given[meta.serverInfo] ?? serverInfo },
  };
}

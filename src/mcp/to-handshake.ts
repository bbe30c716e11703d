import { askable, type ClientRequest } from "./client-requests.ts";
import { isObject, type JsonObject, meta, metaOf, type RequestId } from "./envelope.ts";
import { newestStateless } from "./eras.ts";
import { codes } from "./errors.ts";
import { isMisannotated } from "./parameters.ts";
import type { Manifest } from "./manifest.ts";
import { tasksExtension } from "./tasks.ts";
import { announceReachable } from "./translate.ts";

/** Since these revisions a client can be asked for input at all, and with an address instead of a form. */
const ELICITS_SINCE = "2025-06-18";
const NEWER_FORMS_SINCE = "2025-11-25";

/** What a session's client said of itself when it began. */
export interface SessionClient {
  readonly revision: string;
  readonly client: { readonly name: string | null; readonly version: string | null };
  readonly capabilities: JsonObject;
}

/** The answer to `initialize` for a server that does not speak it, from its manifest. */
export function initializeResult(manifest: Manifest, revision: string): JsonObject {
  const { serverInfo, instructions } = manifest;
  const { result } = announceReachable({ result: { capabilities: manifest.capabilities } });
  return {
    protocolVersion: revision,
    ...(isObject(result) ? result : {}),
    serverInfo,
    ...(instructions === undefined ? {} : { instructions }),
  };
}

/** A handshake client's capabilities as the stateless era declares them: only what its revision can carry. */
export function declaredBy({ revision, capabilities }: SessionClient): JsonObject {
  const asked = askable(capabilities) ?? {};
  const declared: Record<string, unknown> = {};
  const newer = revision >= NEWER_FORMS_SINCE;
  if (asked["elicitation"] !== undefined && revision >= ELICITS_SINCE) {
    declared["elicitation"] = newer ? asked["elicitation"] : {};
  }
  if (asked["sampling"] !== undefined) declared["sampling"] = newer ? asked["sampling"] : {};
  if (asked["roots"] !== undefined) declared["roots"] = {};
  if (isObject(capabilities["experimental"])) declared["experimental"] = capabilities["experimental"];
  if (isObject(capabilities["extensions"])) {
    const { [tasksExtension]: _, ...extensions } = capabilities["extensions"];
    declared["extensions"] = extensions;
  }
  return declared;
}

/**
 * `params` of a handshake client's request with the envelope of the stateless
 * era (2026-07-28, basic). `logLevel`: absent where no log messages are wanted.
 */
export function withEnvelope(
  params: JsonObject,
  { client }: SessionClient,
  declared: JsonObject,
  logLevel: string | undefined,
): JsonObject {
  const { task: _, ...kept } = params;
  return {
    ...kept,
    _meta: {
      ...metaOf(params),
      [meta.protocolVersion]: newestStateless,
      [meta.clientCapabilities]: declared,
      [meta.clientInfo]: { name: client.name ?? "unknown", version: client.version ?? "" },
      ...(logLevel === undefined ? {} : { [meta.logLevel]: logLevel }),
    },
  };
}

/** A complete result without what only the stateless era knows. */
export function handshakeResult(result: JsonObject): JsonObject {
  const { resultType: _, ttlMs: __, cacheScope: ___, _meta, ...all } = result;
  const kept = withoutMisannotated(all);
  if (!isObject(_meta)) return _meta === undefined ? kept : { ...kept, _meta };
  const { [meta.serverInfo]: ____, ...foreign } = _meta;
  return Object.keys(foreign).length === 0 ? kept : { ...kept, _meta: foreign };
}

/** What no client may call over HTTP is not offered to one that speaks through us. */
function withoutMisannotated(result: JsonObject): JsonObject {
  const { tools } = result;
  if (!Array.isArray(tools)) return result;
  return { ...result, tools: tools.filter((tool) => !isObject(tool) || !isMisannotated(tool)) };
}

/**
 * An error of a stateless server as a handshake client knows it: a missing
 * resource has a code of its own there (2025-11-25, server/resources), and what
 * concerns the envelope is told in words.
 */
export function handshakeError(
  request: { readonly method: string; readonly params: JsonObject },
  error: JsonObject,
): JsonObject {
  const { code, message } = error;
  const words = typeof message === "string" ? message.slice(0, 500) : "";
  switch (code) {
    case codes.invalidParams:
      return request.method === "resources/read" && typeof request.params["uri"] === "string"
        ? { ...error, code: codes.resourceNotFound }
        : error;
    case codes.missingClientCapability:
      return {
        ...error,
        code: codes.invalidRequest,
        message:
          `The server needs something of its client that this session's client did not declare in \`initialize\`: ${neededOf(error)}. ${words}`.trimEnd(),
      };
    case codes.headerMismatch:
    case codes.unsupportedVersion:
      return {
        ...error,
        code: codes.internal,
        message:
          `The server did not accept the request as it was translated for it. Ask for tools/list again, and try once more. ${words}`.trimEnd(),
      };
    default:
      return error;
  }
}

/** An input request as a request of the revision that the client speaks. `id`: for a form that needs one. */
export function clientRequestFor(request: ClientRequest, revision: string, id: string): ClientRequest {
  const { method, params } = request;
  if (method === "elicitation/create") {
    if (params["mode"] === "url") return { method, params: { ...params, elicitationId: id } };
    if (revision >= NEWER_FORMS_SINCE) return request;
    const { mode: _, ...form } = params;
    return { method, params: form };
  }
  if (method === "sampling/createMessage" && revision < NEWER_FORMS_SINCE) {
    return { method, params: { ...params, messages: oneBlockEach(params["messages"]) } };
  }
  return request;
}

/** Until 2025-06-18 a message holds one block. */
function oneBlockEach(messages: unknown): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.flatMap((message: unknown) =>
    isObject(message) && Array.isArray(message["content"])
      ? message["content"].map((content: unknown) => ({ ...message, content }))
      : [message],
  );
}

function neededOf({ data }: JsonObject): string {
  const required = isObject(data) ? data["requiredCapabilities"] : undefined;
  return isObject(required) ? Object.keys(required).join(", ").slice(0, 200) : "a capability";
}

/** The id under which a response is the client's own. */
export function forClient(id: RequestId, response: JsonObject): JsonObject {
  return { ...response, id };
}

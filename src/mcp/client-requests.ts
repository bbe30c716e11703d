import { isObject, type JsonObject } from "./envelope.ts";

/** What a server may ask of its client while it works on a request. */
const asked = new Set(["elicitation/create", "sampling/createMessage", "roots/list"]);

/** A request of a server to its client, without its envelope: the same in both eras. */
export interface ClientRequest {
  readonly method: string;
  readonly params: JsonObject;
}

export function isClientRequest(method: unknown): method is string {
  return typeof method === "string" && asked.has(method);
}

/** What of a client's capabilities lets it be asked, in a form of bounded size; undefined where nothing does. */
export function askable(capabilities: JsonObject): JsonObject | undefined {
  const { elicitation, sampling, roots } = capabilities;
  const found: Record<string, JsonObject> = {};
  if (isObject(elicitation)) found["elicitation"] = marks(elicitation, ["form", "url"]);
  if (isObject(sampling)) found["sampling"] = marks(sampling, ["tools", "context"]);
  if (isObject(roots)) found["roots"] = {};
  return Object.keys(found).length === 0 ? undefined : found;
}

/**
 * What a client that declared `capabilities` would have to declare too for
 * this request; undefined where it may be asked. An elicitation capability
 * that names no mode means forms (2025-11-25 and 2026-07-28, client/elicitation).
 */
export function lacking(capabilities: JsonObject, { method, params }: ClientRequest): JsonObject | undefined {
  if (method === "elicitation/create") {
    const declared = capabilities["elicitation"];
    const mode = params["mode"] === "url" ? "url" : "form";
    if (isObject(declared)) {
      if (declared[mode] !== undefined) return;
      if (mode === "form" && declared["url"] === undefined) return;
    }
    return { elicitation: { [mode]: {} } };
  }
  if (method === "sampling/createMessage") {
    const declared = capabilities["sampling"];
    const tools = params["tools"] !== undefined || params["toolChoice"] !== undefined;
    if (isObject(declared) && (!tools || declared["tools"] !== undefined)) return;
    return { sampling: tools ? { tools: {} } : {} };
  }
  return isObject(capabilities["roots"]) ? undefined : { roots: {} };
}

/** Whether a value has the form of an answer to such a request (2026-07-28, schema). */
export function isAnswerTo(method: string, value: unknown): value is JsonObject {
  if (!isObject(value)) return false;
  if (method === "elicitation/create") {
    const { action, content } = value;
    return (
      (action === "accept" || action === "decline" || action === "cancel") &&
      (content === undefined || isObject(content))
    );
  }
  if (method === "sampling/createMessage") {
    const { role, model, content } = value;
    return (
      (role === "assistant" || role === "user") &&
      typeof model === "string" &&
      (isObject(content) || Array.isArray(content))
    );
  }
  return Array.isArray(value["roots"]);
}

/** As an input request of 2026-07-28: without what only the handshake revisions know. */
export function toInputRequest({ method, params }: ClientRequest): ClientRequest {
  const { _meta: _, task: __, elicitationId: ___, ...kept } = params;
  return { method, params: kept };
}

function marks(given: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, {}]));
}

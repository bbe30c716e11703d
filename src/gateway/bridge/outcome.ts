import { type ClientRequest, lacking, toInputRequest } from "../../mcp/client-requests.ts";
import { isObject, type JsonObject, meta, type RequestId } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { notDeclared, statelessResponse } from "../../mcp/translate.ts";
import { Refusal } from "../refusal.ts";

/** What the client is told by must know of its call. */
export interface Told {
  readonly id: RequestId;
  readonly method: string;
  readonly serverInfo: unknown;
  /** What the client declared. */
  readonly capabilities: JsonObject;
  /** What the upstream asked for that the client had not declared. */
  readonly refused: { readonly method: string; readonly needed: JsonObject } | undefined;
}

const MOST_URLS = 64;

/**
 * What a handshake upstream's response is to a stateless client. A call that
 * failed after the upstream was refused what it asked for failed for want of
 * a capability (2026-07-28, basic: the server MUST say so with -32021).
 */
export function outcomeFor(told: Told, response: JsonObject): JsonObject | Refusal {
  const { refused } = told;
  if (refused !== undefined && isFailure(response)) {
    const { reason, error } = notDeclared(refused.method, refused.needed);
    return new Refusal("protocol", 400, reason, error);
  }
  const inputRequests = urlsOf(response, told.capabilities);
  // Nothing is held for these: the retry is the call anew.
  return inputRequests === undefined
    ? statelessResponse(told, response)
    : inputRequired(told, { inputRequests });
}

/** A response that asks the client for input. */
export function inputRequired(
  { id, serverInfo }: Pick<Told, "id" | "serverInfo">,
  asked: object,
): JsonObject {
  const _meta = { [meta.serverInfo]: serverInfo };
  return { jsonrpc: "2.0", id, result: { resultType: "input_required", ...asked, _meta } };
}

function isFailure({ error, result }: JsonObject): boolean {
  return error !== undefined || (isObject(result) && result["isError"] === true);
}

/**
 * The addresses that a server of 2025-11-25 wants a person to visit before it
 * takes the call (its error -32042), where the client can show them.
 */
function urlsOf({ error }: JsonObject, capabilities: JsonObject): Record<string, ClientRequest> | undefined {
  if (!isObject(error) || error["code"] !== codes.urlElicitationRequired || !isObject(error["data"])) return;
  const { elicitations } = error["data"];
  if (!Array.isArray(elicitations) || elicitations.length === 0 || elicitations.length > MOST_URLS) return;
  const found: Record<string, ClientRequest> = {};
  for (const [at, params] of elicitations.entries()) {
    if (!isObject(params)) return;
    const request = { method: "elicitation/create", params: { ...params, mode: "url" } };
    if (lacking(capabilities, request) !== undefined) return;
    found[`elicitation-${at + 1}`] = toInputRequest(request);
  }
  return found;
}

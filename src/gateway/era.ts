import { isObject, type JsonObject } from "../mcp/envelope.ts";
import type { Era } from "../mcp/eras.ts";
import { codes } from "../mcp/errors.ts";
import type { Capability } from "../mcp/manifest.ts";
import { codeOf } from "../snapshot/era-refusals.ts";
import type { Endpoint } from "../snapshot/snapshot.ts";
import type { Upstreams } from "./ports.ts";

/** In which era a capability's server was spoken to, where it had been free to choose, and who is told of a refusal. */
export interface EraChoice {
  readonly endpoint: Endpoint;
  readonly capability: Capability;
  readonly era: Era;
  readonly upstreams: Upstreams;
}

/**
 * In which era the upstream is spoken to: the client's own, unless the
 * upstream does not answer in it or the capability needs the other, as a
 * refusal has taught or inspection has seen.
 */
export function eraFor(endpoint: Endpoint, client: Era, capability?: Capability): Era {
  const { eras } = endpoint;
  const wanted = (capability === undefined ? undefined : neededBy(capability)) ?? client;
  if (eras.includes(wanted)) return wanted;
  return eras.includes(client) ? client : (eras[0] ?? client);
}

/** The only era in which a capability works; of one that has refused both, none is better than the other. */
function neededBy({ era, refused }: Capability): Era | undefined {
  if (refused === undefined) return era;
  if (refused.length > 1) return undefined;
  return refused[0] === "stateless" ? "handshake" : "stateless";
}

/** The choice to learn from; undefined where there is none. */
export function choiceOf(
  endpoint: Endpoint,
  capability: Capability | undefined,
  era: Era,
  upstreams: Upstreams,
): EraChoice | undefined {
  if (capability === undefined || endpoint.eras.length < 2) return undefined;
  return { endpoint, capability, era, upstreams };
}

/**
 * Learns from a response that a capability works in the other era only. The
 * call itself is not sent again: its code has run. FastMCP 4 and the Python SDK
 * 2 refuse in these words.
 */
export function learnEra({ endpoint, capability, era, upstreams }: EraChoice, response: JsonObject): void {
  if (!(era === "stateless" ? asksClient(response) : hasInputRequired(response))) return;
  const { kind, hash } = capability;
  upstreams.refused({
    organization: endpoint.organization.id,
    server: endpoint.server.id,
    code: codeOf(endpoint),
    kind,
    hash,
    era,
  });
}

/** Words of every refusal that teaches, by the era in which it is said. */
const MARKS = { stateless: Buffer.from("server-initiated requests"), handshake: Buffer.from("(SEP-2322)") };
/** Refusals are short; what is larger teaches nothing. */
const LONGEST = 16 * 1024;

/** Learns from an answer, or from the last event of one, before its client can call again. */
export function learnFrom(choice: EraChoice, bytes: Buffer): void {
  if (bytes.length > LONGEST || !bytes.includes(MARKS[choice.era])) return;
  const text = bytes.toString();
  try {
    const message: unknown = JSON.parse(
      text.startsWith("{") ? text : text.slice(text.lastIndexOf("\ndata:") + 6),
    );
    if (isObject(message)) learnEra(choice, message);
  } catch {
    // A piece of an answer; its last one is looked at again with the record.
  }
}

const NO_CHANNEL =
  /^(Error calling tool '.{1,300}': )?(Cannot send '[\w/]{1,60}': this transport context has no back-channel for server-initiated requests\.|elicitation via server-initiated requests is unavailable on 2026-07-28 connections\.)$/s;

/** Whether it says that a request to the client cannot be sent on this connection. */
function asksClient({ error, result }: JsonObject): boolean {
  if (isObject(error)) return typeof error["message"] === "string" && NO_CHANNEL.test(error["message"]);
  if (!isObject(result) || result["isError"] !== true || !Array.isArray(result["content"])) return false;
  const content: unknown[] = result["content"];
  const only = content[0];
  // The whole of what it says: a tool that repeats what others wrote must teach nothing.
  return (
    content.length === 1 &&
    isObject(only) &&
    typeof only["text"] === "string" &&
    NO_CHANNEL.test(only["text"])
  );
}

const NO_INPUT =
  /^(Tool|Prompt|Resource) '.{1,2000}' returned an InputRequiredResult to request client input, but the multi-round-trip result type \(SEP-2322\) only exists at MCP 2026-07-28;/s;

/** Whether it says that it asked for input in a way that this connection does not know. */
function hasInputRequired({ error }: JsonObject): boolean {
  if (!isObject(error) || error["code"] !== codes.invalidParams) return false;
  return typeof error["message"] === "string" && NO_INPUT.test(error["message"]);
}

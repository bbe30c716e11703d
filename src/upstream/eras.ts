import { isObject, type JsonObject, meta } from "../mcp/envelope.ts";
import { type Era, newestHandshake, newestStateless } from "../mcp/eras.ts";
import { codes } from "../mcp/errors.ts";
import { type Answer, ask, AskError, type AskOptions } from "./client.ts";
import { endSession, openSession, sessionHeaders } from "./handshake.ts";
import { overSse } from "./http-sse/dispatcher.ts";
import type { Dial } from "./dial.ts";

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
  /** Ends what was opened to speak to it. */
  end(): Promise<void>;
}

export type Reply =
  | { readonly kind: "result"; readonly result: JsonObject }
  | { readonly kind: "error"; readonly code: number; readonly message: string };

/** What asking in both eras told. An era in neither list is not spoken. */
export interface Heard {
  /** Stateless first. */
  readonly voices: readonly Voice[];
  /** Of these nothing is known: the answer is no evidence, or there was none. */
  readonly unknown: readonly Era[];
  /** Where it is not Streamable HTTP. */
  readonly transport?: "sse";
}

/**
 * Asks an upstream in both eras. It is asked in each by itself, since a server
 * that speaks both refuses neither (2026-07-28, basic/versioning). With
 * `frugal`, one that answers in the stateless era is not asked in the other. One
 * that takes `initialize` in neither is asked over HTTP+SSE (2025-11-25,
 * basic/transports#backwards-compatibility).
 * Throws AskError when it answers in none.
 */
export async function detectEras(
  dial: Dial,
  client: ClientInfo,
  options: AskOptions & { readonly frugal?: boolean },
): Promise<Heard> {
  const asked = outcome("stateless", statelessVoice(dial, client, options));
  if (options.frugal === true) {
    const { voice } = await asked;
    if (voice !== undefined) return { voices: [voice], unknown: ["handshake"] };
  }
  let refused = 0;
  const shake = handshakeVoice(dial, client, options, (status) => (refused = status));
  const found = await Promise.all([asked, outcome("handshake", shake)]);
  const voices = found.flatMap(({ voice }) => voice ?? []);
  const doubtful = found.filter(({ error }) => error !== undefined);
  if (voices.length > 0) return { voices, unknown: doubtful.map(({ era }) => era) };
  const older = mayBeOlder(refused) ? await outcome("handshake", sseVoice(dial, client, options)) : undefined;
  if (older?.voice !== undefined) {
    return { voices: [older.voice], unknown: doubtful.map(({ era }) => era), transport: "sse" };
  }
  throw (
    older?.error ??
    doubtful[0]?.error ??
    new AskError("The server answers neither `server/discover` nor `initialize`.")
  );
}

interface Outcome {
  readonly era: Era;
  readonly voice?: Voice | undefined;
  /** Why nothing is known. */
  readonly error?: unknown;
}

async function outcome(era: Era, asked: Promise<Voice | undefined>): Promise<Outcome> {
  try {
    return { era, voice: await asked };
  } catch (error) {
    return { era, error };
  }
}

/** Undefined for a server that does not speak it; throws AskError where the answer is no evidence. */
async function statelessVoice(
  dial: Dial,
  client: ClientInfo,
  options: AskOptions,
): Promise<Voice | undefined> {
  let id = 0;
  const send = (method: string, params: JsonObject): Promise<Answer> => {
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
    return ask(dial, message, headers, options);
  };
  let answer = await send("server/discover", {});
  // A server that names our revision as one it supports is taken at its word.
  if (offersOurs(answer)) answer = await send("server/discover", {});
  if (isRefusal(answer)) return;
  const hello = replyOf(answer.response);
  if (hello.kind !== "result") return;
  const { supportedVersions } = hello.result;
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(newestStateless)) return;
  return {
    era: "stateless",
    hello: hello.result,
    request: async (method, params) => replyOf((await send(method, params)).response),
    end: async () => {},
  };
}

/** Whether a refusal of the revision names that very revision among the supported ones (-32022). */
function offersOurs({ status, response }: Answer): boolean {
  const error = response?.["error"];
  if (status !== 400 || !isObject(error) || error["code"] !== codes.unsupportedVersion) return false;
  const supported = isObject(error["data"]) ? error["data"]["supported"] : undefined;
  return Array.isArray(supported) && supported.includes(newestStateless);
}

/** Whether a server that answers `initialize` so may speak the transport that was before Streamable HTTP. */
function mayBeOlder(status: number): boolean {
  return status === 400 || status === 404 || status === 405;
}

/** As `handshakeVoice`, over HTTP+SSE. */
async function sseVoice(dial: Dial, client: ClientInfo, options: AskOptions): Promise<Voice | undefined> {
  const over = overSse(dial);
  let voice: Voice | undefined;
  try {
    voice = await handshakeVoice(over, client, options);
  } finally {
    if (voice === undefined) await over.dispatcher.destroy();
  }
  return voice === undefined ? undefined : { ...voice, end: () => over.dispatcher.destroy() };
}

/**
 * Undefined for a server that does not speak it, of which `onRefused` is told the
 * HTTP status; throws AskError where the answer is no evidence.
 */
async function handshakeVoice(
  dial: Dial,
  client: ClientInfo,
  options: AskOptions,
  onRefused?: (status: number) => void,
): Promise<Voice | undefined> {
  const hello = { protocolVersion: newestHandshake, capabilities: {}, clientInfo: client };
  let session;
  try {
    session = await openSession(dial, hello, {}, options);
  } catch (error) {
    if (!(error instanceof AskError) || error.answer === undefined) throw error;
    if (isRefusal(error.answer)) {
      onRefused?.(error.answer.status);
      return;
    }
    const reply = replyOf(error.answer.response);
    if (reply.kind === "result") return;
    throw error;
  }
  const headers = sessionHeaders(session);
  let id = 0;
  return {
    era: "handshake",
    hello: session.result,
    async request(method, params) {
      const message = { jsonrpc: "2.0", id: ++id, method, params };
      return replyOf((await ask(dial, message, headers, options)).response);
    },
    end: () => endSession(dial, session),
  };
}

/**
 * Whether an answer to `server/discover` or `initialize` says that the server does
 * not speak that era: 400, 404 and the like, or a JSON-RPC error of one who
 * read the request (2026-07-28, basic/versioning). Throws AskError for what is no
 * evidence: redirects, 401, 403, 408, 429, 5xx, and an error within the server.
 */
function isRefusal({ status, response }: Answer): boolean {
  const error = response?.["error"];
  const code = isObject(error) ? error["code"] : undefined;
  if (status === 401 || status === 403) {
    throw new AskError(`The server wants credentials: it answered with HTTP ${status}.`);
  }
  if (status >= 300 && status < 400) {
    throw new AskError(`The server answered with a redirect (HTTP ${status}), and none is followed.`);
  }
  if (status >= 500 || status === 407 || status === 408 || status === 429) {
    throw new AskError(`The server answered with HTTP ${status}.`);
  }
  if (status === 400 && (code === codes.headerMismatch || code === codes.missingClientCapability)) {
    throw new AskError("The server speaks the stateless era, and refused to say what it is.");
  }
  if (status >= 400) return true;
  if (code === codes.internal) throw new AskError("The server failed within while it was asked what it is.");
  return code !== undefined;
}

function replyOf(response: JsonObject | undefined): Reply {
  if (isObject(response?.["result"])) return { kind: "result", result: response["result"] };
  const error = response?.["error"];
  if (isObject(error) && typeof error["code"] === "number") {
    return { kind: "error", code: error["code"], message: String(error["message"]) };
  }
  throw new AskError("The server's answer is not a JSON-RPC response.");
}

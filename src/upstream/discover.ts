import { canonicalHash } from "../lib/canonical.ts";
import { isObject, type JsonObject, meta } from "../mcp/envelope.ts";
import { codes } from "../mcp/errors.ts";
import type { Era } from "../mcp/eras.ts";
import type { Capability, CapabilityKind, Manifest } from "../mcp/manifest.ts";
import { type ClientInfo, detectEras, type Voice } from "./eras.ts";
import type { Dial } from "./dial.ts";

export interface DiscoverOptions {
  readonly client?: ClientInfo;
  /** Milliseconds for the whole discovery. */
  readonly timeoutMs?: number;
  /** Bytes of one answer. */
  readonly maxBytes?: number;
  /** Pages of one list. */
  readonly maxPages?: number;
  /** Capabilities of one list. */
  readonly maxItems?: number;
  /** Characters of one list's definitions, as JSON. */
  readonly maxListLength?: number;
  readonly signal?: AbortSignal;
  /** Eras that were found before: kept where this time's answer is no evidence. */
  readonly known?: readonly Era[];
  /** A server that answers in the stateless era is not asked in the other, so that nothing is sent that it does not know. */
  readonly frugal?: boolean;
  /** Told of each list that could not be read; the other lists stand. */
  onProblem?(problem: { readonly method: string; readonly message: string }): void;
}

const lists = [
  { method: "tools/list", field: "tools", kind: "tool", name: "name", capability: "tools" },
  { method: "prompts/list", field: "prompts", kind: "prompt", name: "name", capability: "prompts" },
  { method: "resources/list", field: "resources", kind: "resource", name: "uri", capability: "resources" },
  {
    method: "resources/templates/list",
    field: "resourceTemplates",
    kind: "resource_template",
    name: "uriTemplate",
    capability: "resources",
  },
] as const satisfies readonly { kind: CapabilityKind; [key: string]: string }[];
type List = (typeof lists)[number];

/**
 * Asks a server what it is and offers, in every era that it speaks. The lists
 * come from the stateless era where it speaks that (its schemas say more),
 * each by itself, so that one that fails leaves the others. Bounded in
 * time, bytes, pages and items. Throws AskError when the server cannot be
 * reached or is no MCP server.
 */
export async function discover(dial: Dial, options: DiscoverOptions = {}): Promise<Manifest> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const bounds = {
    signal,
    maxBytes: options.maxBytes ?? 8 * 1024 * 1024,
    frugal: options.frugal ?? false,
  };
  const { voices, unknown, transport } = await detectEras(
    dial,
    options.client ?? { name: "offing", version: "1" },
    bounds,
  );
  try {
    const eras = erasOf(voices, unknown, options.known ?? []);
    const manifest = await manifestOf(voices[0]!, eras, options);
    return transport === undefined ? manifest : { ...manifest, transport };
  } finally {
    await Promise.all(voices.map((voice) => voice.end()));
  }
}

function erasOf(voices: readonly Voice[], unknown: readonly Era[], known: readonly Era[]): Era[] {
  const both: readonly Era[] = ["stateless", "handshake"];
  return both.filter(
    (era) => voices.some((voice) => voice.era === era) || (unknown.includes(era) && known.includes(era)),
  );
}

async function manifestOf(voice: Voice, eras: readonly Era[], options: DiscoverOptions): Promise<Manifest> {
  const capabilities = isObject(voice.hello["capabilities"]) ? voice.hello["capabilities"] : {};
  const wanted = lists.filter((list) => capabilities[list.capability] !== undefined);
  const read = await Promise.all(wanted.map((list) => readList(voice, list, options)));
  const instructions = voice.hello["instructions"];
  return {
    serverInfo: serverInfoOf(voice.hello),
    instructions: typeof instructions === "string" ? instructions : undefined,
    capabilities,
    eras,
    items: read.flat(),
  };
}

async function readList(voice: Voice, list: List, options: DiscoverOptions): Promise<Capability[]> {
  const items = new Map<string, Capability>();
  const problem = (message: string) => options.onProblem?.({ method: list.method, message });
  try {
    let params: JsonObject = {};
    let length = 0;
    for (let page = 0; page < (options.maxPages ?? 100); page++) {
      const reply = await voice.request(list.method, params);
      if (reply.kind === "error") {
        if (reply.code !== codes.methodNotFound) problem(reply.message);
        return [...items.values()];
      }
      const entries = reply.result[list.field];
      if (!Array.isArray(entries)) {
        problem(`The result has no list "${list.field}".`);
        return [...items.values()];
      }
      for (const definition of entries) {
        const name: unknown = isObject(definition) ? definition[list.name] : undefined;
        if (!isObject(definition) || typeof name !== "string") {
          problem(`An entry has no "${list.name}"; it is left out.`);
        } else if (items.has(name)) {
          problem(`"${name}" is listed twice; the first stands.`);
        } else {
          items.set(name, { kind: list.kind, name, hash: canonicalHash(definition), definition });
          length += JSON.stringify(definition).length;
        }
      }
      if (items.size > (options.maxItems ?? 10_000)) {
        problem("The list has too many entries; the rest is left out.");
        return [...items.values()].slice(0, options.maxItems ?? 10_000);
      }
      if (length > (options.maxListLength ?? 16 * 1024 * 1024)) {
        problem("The list's definitions are too long; the rest is left out.");
        return [...items.values()];
      }
      const cursor = reply.result["nextCursor"];
      // The empty string is a valid cursor.
      if (typeof cursor !== "string") return [...items.values()];
      params = { cursor };
    }
    problem("The list has too many pages; the rest is left out.");
  } catch (error) {
    problem(error instanceof Error ? error.message : String(error));
  }
  return [...items.values()];
}

function serverInfoOf(hello: JsonObject): Manifest["serverInfo"] {
  const parts = hello["_meta"];
  const given = isObject(parts) ? parts[meta.serverInfo] : undefined;
  const info = isObject(given) ? given : isObject(hello["serverInfo"]) ? hello["serverInfo"] : {};
  const { name, version } = info;
  return {
    ...info,
    name: typeof name === "string" ? name : "unnamed",
    version: typeof version === "string" ? version : "",
  };
}

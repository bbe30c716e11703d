import { headerText, headerValue, isObject, type JsonObject } from "./envelope.ts";
import { codes } from "./errors.ts";
import type { ProtocolFault } from "./stateless.ts";

/** An argument of a tool that its schema has repeated in a header (`x-mcp-header`). */
interface Mirrored {
  /** In lower case, with `mcp-param-`. */
  readonly header: string;
  /** Where in the arguments its value stands. */
  readonly path: readonly string[];
  readonly type: "string" | "integer" | "boolean";
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const none: readonly Mirrored[] = [];
const known = new WeakMap<object, { readonly mirrored: readonly Mirrored[] | undefined }>();
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Deeper and longer than any real schema; what lies beyond makes the annotations invalid. */
const MOST_LEVELS = 16;
const MOST_PARAMETERS = 64;
const MOST_NODES = 100_000;

/**
 * Whether the `Mcp-Param-*` headers of a `tools/call` agree with its arguments,
 * as the tool's definition asks (2026-07-28, basic/transports/streamable-http,
 * "Custom Headers from Tool Parameters"). Other `Mcp-Param-*` headers are
 * no concern of ours.
 */
export function parameterFault(
  definition: JsonObject,
  params: JsonObject,
  headers: Headers,
): ProtocolFault | undefined {
  for (const mirrored of mirroredOf(definition)) {
    const value = valueAt(params["arguments"], mirrored.path);
    const given = headers[mirrored.header];
    if (value === undefined || value === null) {
      if (given === undefined) continue;
      return mismatch(mirrored, "is there, but the argument that it repeats is not");
    }
    if (typeof given !== "string") return mismatch(mirrored, "is missing; it must repeat the argument");
    if (!agrees(value, headerText(given.trim()))) {
      return mismatch(mirrored, "does not agree with the argument");
    }
  }
  return;
}

/** The `Mcp-Param-*` headers of a call as a flat list of names and values. */
export function parameterHeaders(definition: JsonObject, params: JsonObject): string[] {
  const list: string[] = [];
  for (const { header, path } of mirroredOf(definition)) {
    const value = valueAt(params["arguments"], path);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      list.push(header, headerValue(String(value)));
    }
  }
  return list;
}

/** Whether an annotation of the tool is invalid: a client must then leave the tool out ("Schema Extension"). */
export function isMisannotated(definition: JsonObject): boolean {
  return annotationsOf(definition) === undefined;
}

/** A tool with one invalid annotation has none: no client that follows the specification calls it with headers. */
function mirroredOf(definition: JsonObject): readonly Mirrored[] {
  return annotationsOf(definition) ?? none;
}

function annotationsOf(definition: JsonObject): readonly Mirrored[] | undefined {
  let found = known.get(definition);
  if (found === undefined) {
    found = { mirrored: readSchema(definition["inputSchema"]) };
    known.set(definition, found);
  }
  return found.mirrored;
}

function readSchema(schema: unknown): readonly Mirrored[] | undefined {
  const found: Mirrored[] = [];
  const seen = new Set<string>();
  const walk = (at: unknown, path: readonly string[]): boolean => {
    if (!isObject(at) || !isObject(at["properties"])) return true;
    if (path.length >= MOST_LEVELS) return false;
    return Object.entries(at["properties"]).every(([name, property]) => {
      if (!isObject(property)) return true;
      const here = [...path, name];
      const annotation = property["x-mcp-header"];
      if (annotation === undefined) return walk(property, here);
      const { type } = property;
      if (typeof annotation !== "string" || !fieldName.test(annotation)) return false;
      if (type !== "string" && type !== "integer" && type !== "boolean") return false;
      const header = `mcp-param-${annotation.toLowerCase()}`;
      if (seen.has(header) || found.length >= MOST_PARAMETERS) return false;
      seen.add(header);
      found.push({ header, path: here, type });
      return true;
    });
  };
  if (!walk(schema, []) || annotationsIn(schema) !== found.length) return;
  return found.length > 0 ? found : none;
}

/** How many annotations there are, wherever they stand; Infinity where a schema is larger than any real one. */
function annotationsIn(schema: unknown): number {
  let count = 0;
  const left: unknown[] = [schema];
  for (let seen = 0; left.length > 0; seen++) {
    if (seen > MOST_NODES) return Infinity;
    const at = left.pop();
    if (typeof at !== "object" || at === null) continue;
    if (typeof (at as JsonObject)["x-mcp-header"] === "string") count++;
    for (const value of Object.values(at)) left.push(value);
  }
  return count;
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return;
    value = value[name];
  }
  return value;
}

function agrees(value: unknown, text: string | undefined): boolean {
  if (text === undefined) return false;
  // 42 and 42.0 are the same number.
  if (typeof value === "number") return /^-?\d+(\.\d+)?$/.test(text) && Number(text) === value;
  return (typeof value === "string" || typeof value === "boolean") && text === String(value);
}

function mismatch({ header, path }: Mirrored, how: string): ProtocolFault {
  return {
    status: 400,
    code: codes.headerMismatch,
    message: `The header ${header} ${how} "${path.join(".").slice(0, 120)}". Ask for tools/list again; the tool's schema may have changed.`,
    data: { header },
  };
}

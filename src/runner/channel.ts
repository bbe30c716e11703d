import { printable } from "../lib/printable.ts";

/** A capability that works in one era only, by its kind and name in a manifest. */
export interface CapabilityEra {
  readonly kind: "tool" | "prompt" | "resource" | "resource_template";
  readonly name: string;
  readonly era: "handshake" | "stateless";
}

/** What an instance says about itself when it serves. */
export interface Ready {
  /** `fastmcp`, `mcpserver`, `sdk-fastmcp` (the MCP SDK 1.x), `lowlevel`, or `stdio` for a program behind a bridge. */
  readonly kind: string;
  /** Of the object in its file, or of the program. */
  readonly name: string;
  /** How it was found, as the second half of a sentence. */
  readonly why: string;
  readonly versions: {
    readonly python: string;
    readonly fastmcp: string | null;
    readonly mcp: string | null;
  };
  /** Of a server that speaks both eras: its capabilities that need one of them, as far as that could be seen. */
  readonly eras: readonly CapabilityEra[];
  /** Whether it has background tasks (FastMCP). */
  readonly tasks: boolean;
}

/** What was started, in a sentence: "FastMCP 3.2.1 server `mcp`, found by loading server.py". */
export function describe({ kind, name, why, versions }: Ready): string {
  const sdk = `mcp ${versions.mcp ?? "of unknown version"}`;
  const named = `\`${name}\``;
  const what: Record<string, string> = {
    fastmcp: `FastMCP ${versions.fastmcp ?? ""} server ${named}`,
    mcpserver: `MCPServer ${named} of ${sdk}`,
    "sdk-fastmcp": `FastMCP server ${named} of ${sdk}`,
    lowlevel: `Low-level server ${named} of ${sdk}`,
    stdio: `Program ${named}`,
  };
  return printable(`${what[kind] ?? `Server ${named}`}, ${why}`);
}

/** A line of the control channel of an instance. */
export type Message =
  | { readonly type: "ready"; readonly ready: Ready }
  | {
      readonly type: "failed";
      readonly reason: "load" | "timeout";
      readonly message: string;
      readonly hint: string | null;
      readonly traceback: string | null;
      readonly missing: readonly string[];
      readonly code: string | null;
    }
  | {
      readonly type: "line";
      readonly stream: "stdout" | "stderr";
      readonly text: string;
      readonly request: string | null;
    }
  /** The answer to `ask`: whether there is background work that is not done. */
  | { readonly type: "unfinished"; readonly unfinished: boolean };

/**
 * Reads a line of the channel. Null for anything else: the server's own code
 * can write to the channel, and what it writes must harm nobody but itself.
 */
export function parseMessage(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const message = record(value);
  const line = record(message["line"]);
  if (typeof line["text"] === "string" && (line["stream"] === "stdout" || line["stream"] === "stderr")) {
    const request = line["request"];
    return {
      type: "line",
      stream: line["stream"],
      text: line["text"],
      request: typeof request === "string" && /^[\w-]{1,64}$/.test(request) ? request : null,
    };
  }
  const { unfinished } = message;
  if (typeof unfinished === "boolean") return { type: "unfinished", unfinished };
  const failed = record(message["failed"]);
  if (typeof failed["message"] === "string") {
    return {
      type: "failed",
      reason: failed["reason"] === "timeout" ? "timeout" : "load",
      message: failed["message"],
      hint: word(failed["hint"]),
      traceback: word(failed["traceback"]),
      missing: names(failed["missing"]),
      code: /^[a-z_]{1,40}$/.exec(word(failed["code"]) ?? "")?.[0] ?? null,
    };
  }
  const ready = record(message["ready"]);
  if (typeof ready["kind"] !== "string") return null;
  const versions = record(ready["versions"]);
  return {
    type: "ready",
    ready: {
      kind: ready["kind"],
      name: (word(ready["name"]) ?? "").slice(0, 200),
      why: (word(ready["why"]) ?? "").slice(0, 1000),
      versions: {
        python: word(versions["python"]) ?? "unknown",
        fastmcp: word(versions["fastmcp"]),
        mcp: word(versions["mcp"]),
      },
      eras: eras(ready["eras"]),
      tasks: ready["tasks"] === true,
    },
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function eras(value: unknown): CapabilityEra[] {
  if (!Array.isArray(value)) return [];
  const all: unknown[] = value;
  return all.slice(0, 2000).flatMap((each) => {
    const { kind, name, era } = record(each);
    if (kind !== "tool" && kind !== "prompt" && kind !== "resource" && kind !== "resource_template")
      return [];
    if (typeof name !== "string" || name.length > 300) return [];
    return era === "handshake" || era === "stateless" ? [{ kind, name, era }] : [];
  });
}

/** Names of variables, as many as a person would read. */
function names(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  const all: unknown[] = value;
  return all
    .filter((name) => typeof name === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(name))
    .slice(0, 50) as string[];
}

function word(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

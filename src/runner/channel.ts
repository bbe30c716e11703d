/** What an instance says about itself when it serves. */
export interface Ready {
  readonly kind: string;
  readonly versions: {
    readonly python: string;
    readonly fastmcp: string | null;
    readonly mcp: string | null;
  };
}

/** A line of the control channel of an instance. */
export type Message =
  | { readonly type: "ready"; readonly ready: Ready }
  | {
      readonly type: "failed";
      readonly message: string;
      readonly hint: string | null;
      readonly traceback: string | null;
    }
  | {
      readonly type: "line";
      readonly stream: "stdout" | "stderr";
      readonly text: string;
      readonly request: string | null;
    };

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
  const failed = record(message["failed"]);
  if (typeof failed["message"] === "string") {
    return {
      type: "failed",
      message: failed["message"],
      hint: word(failed["hint"]),
      traceback: word(failed["traceback"]),
    };
  }
  const ready = record(message["ready"]);
  if (typeof ready["kind"] !== "string") return null;
  const versions = record(ready["versions"]);
  return {
    type: "ready",
    ready: {
      kind: ready["kind"],
      versions: {
        python: word(versions["python"]) ?? "unknown",
        fastmcp: word(versions["fastmcp"]),
        mcp: word(versions["mcp"]),
      },
    },
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function word(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

import type { Client } from "@modelcontextprotocol/client";
import { OffingError } from "../contract/errors.ts";
import { messageOf } from "../lib/log.ts";
import type { CliContext } from "./context.ts";

/** Connects to a server's live endpoint as any MCP client does, in whichever era it speaks. `through` says where, as whom and with which key, where that is not the CLI's own. */
export async function withMcp<T>(
  cli: CliContext,
  at: { organization: string; server: string },
  use: (client: Client) => Promise<T>,
  through: { endpoint?: string; client?: { name: string; version: string }; key?: string } = {},
): Promise<T> {
  // Loaded here: it takes longer than most commands run.
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const endpoint = through.endpoint ?? `${cli.url}/${at.organization}/${at.server}/mcp`;
  const key = through.key ?? cli.key;
  const transport = new StreamableHTTPClientTransport(new URL(endpoint), {
    requestInit: { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } },
  });
  const client = new Client(through.client ?? { name: "offing-cli", version: "1" }, {
    versionNegotiation: { mode: "auto" },
  });
  try {
    await client.connect(transport);
    return await use(client);
  } catch (error) {
    throw explain(error, at);
  } finally {
    await client.close().catch(() => {});
  }
}

function explain(error: unknown, at: { organization: string; server: string }): unknown {
  const status = statusOf(error);
  if (status === 401) {
    return new OffingError("unauthenticated", "the gateway knows no such key", {
      hint: "set OFFING_API_KEY to a key that is not revoked",
    });
  }
  if (status === 404) {
    return new OffingError(
      "not_found",
      `nothing is live at ${at.organization}/${at.server}, or it is not yours to see`,
      {
        hint: "./offing servers lists what there is",
      },
    );
  }
  if (status === 403 || boundaryOf(error) === "authorization") {
    return new OffingError("forbidden", wordsOf(error));
  }
  if (status !== undefined && status >= 500) {
    return new OffingError("unavailable", wordsOf(error), {
      hint: `./offing logs ${at.organization}/${at.server} says what the server printed`,
      cause: error,
    });
  }
  return error;
}

/** What the gateway said: the client puts the whole JSON-RPC answer into its error's message, or beside it. */
function wordsOf(error: unknown): string {
  const { data } = error as { data?: { text?: unknown } | null };
  const text = typeof data?.text === "string" ? data.text : messageOf(error);
  try {
    const answer = JSON.parse(text.slice(text.indexOf("{"))) as { error?: { message?: unknown } };
    if (typeof answer.error?.message === "string") return answer.error.message;
  } catch {
    // No JSON in it: the words themselves.
  }
  return text;
}

/** Where the gateway stopped a request, as it says in the JSON-RPC error's data. */
function boundaryOf(error: unknown): unknown {
  const { data } = error as { data?: unknown };
  return typeof data === "object" && data !== null && "boundary" in data ? data.boundary : undefined;
}

function statusOf(error: unknown): number | undefined {
  for (let at = error; typeof at === "object" && at !== null; at = (at as { cause?: unknown }).cause) {
    const { status, code } = at as { status?: unknown; code?: unknown };
    if (typeof status === "number") return status;
    if (typeof code === "number" && code >= 400 && code < 600) return code;
  }
  return undefined;
}

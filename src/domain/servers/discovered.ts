import { OffingError } from "../../contract/errors.ts";
import { messageOf } from "../../lib/log.ts";
import { printable } from "../../lib/printable.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { DiscoverOptions } from "../../upstream/discover.ts";
import type { Externals } from "../../upstream/externals.ts";
import { GuardRefused, type HostPort } from "../../upstream/guard.ts";
import type { ServerUrl } from "./server-url.ts";

/** What the server at an address says of itself; throws `precondition` with what stopped it. */
export async function discovered(
  externals: Externals,
  organization: string,
  at: ServerUrl,
  options: DiscoverOptions & { readonly allow?: HostPort },
): Promise<Manifest> {
  try {
    return await externals.discover(organization, at.url, options);
  } catch (error) {
    const refused = refusalIn(error);
    if (refused !== undefined) {
      const { hint, detail } = wordsFor(refused);
      throw new OffingError("precondition", detail, { hint, cause: error });
    }
    throw new OffingError(
      "precondition",
      `no MCP server could be read at ${at.host}:${at.port}${at.path}: ${problemOf(error)}`,
      {
        hint: "give the URL of its MCP endpoint (Streamable HTTP, or HTTP+SSE), reachable from where Offing runs; nothing was stored",
        cause: error,
      },
    );
  }
}

/** Characters of a server's own words that are kept and shown. */
const LONGEST = 500;

/** Why a server could not be read, in words that may be shown. */
export function problemOf(error: unknown): string {
  const refused = refusalIn(error);
  return printable(refused?.message ?? messageOf(error), true).slice(0, LONGEST);
}

function wordsFor(refused: GuardRefused): { detail: string; hint: string } {
  if (refused.why === "metadata" || refused.why === "own_listener" || refused.why === "invalid") {
    return { detail: refused.message, hint: "no option lets such an address through" };
  }
  return {
    detail: refused.message,
    hint: "an admin of the organization can let exactly this host and port through: ./offing register URL --allow-private",
  };
}

function refusalIn(error: unknown): GuardRefused | undefined {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    if (each instanceof GuardRefused) return each;
  }
  return undefined;
}

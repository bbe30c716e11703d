import { OffingError } from "../../contract/errors.ts";
import { toSlug } from "../../contract/slugs.ts";

/** The address of a server that runs elsewhere. */
export interface ServerUrl {
  /** As the WHATWG URL standard writes it, without a fragment. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** Checks an address that a person gave; throws `invalid`. */
export function readServerUrl(text: string): ServerUrl {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) {
    throw new OffingError("invalid", `"${text.slice(0, 200)}" is not the URL of a server`, {
      hint: "give the http:// or https:// URL of its MCP endpoint, as a client would be given it",
    });
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new OffingError(
      "invalid",
      "this URL has a user name or a password in it, which would end up in logs and records",
      { hint: "leave what stands before the @ out of the URL" },
    );
  }
  parsed.hash = "";
  const port = parsed.port === "" ? (parsed.protocol === "https:" ? 443 : 80) : Number(parsed.port);
  return { url: parsed.href, host: parsed.hostname, port, path: parsed.pathname };
}

/** What many addresses have in common says nothing of a server. */
const common = /^(www|mcp|api|sse|server|servers|v\d+)$/i;
const NAMES = 50;

/** Names for a server, made of its address: the best first, then the same with a number. */
export function slugsOf({ host, port, path }: ServerUrl): string[] {
  const segments = path.split("/").filter((segment) => segment !== "" && !common.test(segment));
  const best = toSlug([...wordsOf(host, port), ...segments].join(" ")) ?? "server";
  const slugs = [best];
  for (let n = 2; n <= NAMES; n++) slugs.push(`${best.slice(0, 60).replace(/-+$/, "")}-${n}`);
  return slugs;
}

/** `mcp.example.com` is `example`; what has no top-level domain is told apart by its port. */
function wordsOf(host: string, port: number): string[] {
  const labels = host.split(".");
  const named = labels.length > 1 && /^[a-z]/i.test(labels.at(-1)!);
  if (!named) return [host, String(port)];
  const words = labels.slice(0, -1).filter((label) => !common.test(label));
  return words.length > 0 ? words : labels.slice(0, -1);
}

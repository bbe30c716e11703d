import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { OffingError } from "../contract/errors.ts";
import { type Log, messageOf } from "../lib/log.ts";
import { problem } from "./problem.ts";
import type { Encoding, WebFile, WebFiles } from "./web-files.ts";

/** The web build as it stands now. */
export interface WebBuild {
  /** Undefined until there is one. */
  files(): WebFiles | undefined;
  /** Why there is none, in a sentence, and whether to wait for it. */
  missing(): { readonly why: string; readonly soon: boolean };
}

/**
 * Nothing of another origin, nothing inline: text that a server's author wrote
 * can become no code on these pages (CSP 3). No referrer, so that no address
 * of ours, a sign-in link's above all, is told to anyone.
 */
const security = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** How long a sign-in link waits for pages that are being built. */
const LINK_WAITS_MS = 30_000;
const LOOK_AGAIN_MS = 200;

export interface WebOptions {
  readonly build: WebBuild;
  readonly publicUrl: () => string;
  readonly log: Log;
}

/** Everything that is neither the gateway's nor the API's: the pages and their files. */
export function createWeb(options: WebOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) =>
    void serve(options, request, response).catch((error: unknown) => {
      options.log.error("a page could not be sent", { error: messageOf(error) });
      response.destroy();
    });
}

async function serve(
  { build, publicUrl }: WebOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url ?? "/";
  const path = target.split("?", 1)[0]!;
  if (request.method !== "GET" && request.method !== "HEAD") {
    return sendText(request, response, 405, "Pages are only read.\n", { allow: "GET, HEAD" });
  }
  const page = isPage(path);
  let files = build.files();
  const file = files?.get(path);
  if (file !== undefined && path !== "/index.html") return sendFile(request, response, 200, file);
  if (!page && !wantsPage(request, path)) {
    return sendProblem(response, new OffingError("not_found", `nothing is at ${path}`));
  }
  const place = placeOf(request, publicUrl());
  if (place === "unsecured") {
    const text = `Offing's pages are at ${publicUrl()}, and work there alone. If you are there: its proxy has to pass the Host header on as it came.\n`;
    return sendText(request, response, 403, text);
  }
  if (place === "elsewhere") {
    const text = `This host name does not belong to this address. Offing is at ${publicUrl()}; start it with --url and another address to use that.\n`;
    return sendText(request, response, 403, text);
  }
  if (place === "alias") {
    return sendText(request, response, 307, `The pages are at ${publicUrl()}.\n`, {
      location: `${publicUrl()}${target.startsWith("/") ? target : "/"}`,
    });
  }
  const isLink = path === "/sign-in";
  // A page that comes again by itself comes without the fragment, where a link's token is: so this one waits.
  const until = performance.now() + LINK_WAITS_MS;
  while (isLink && !files && build.missing().soon && !response.destroyed && performance.now() < until) {
    await delay(LOOK_AGAIN_MS);
    files = build.files();
  }
  if (files === undefined) {
    const { why, soon } = build.missing();
    const text = `Offing is running. ${why}\nThe control API is at /api/v1, MCP endpoints are at /ORGANIZATION/SERVER/mcp; both work.\n`;
    return sendText(
      request,
      response,
      503,
      text,
      soon ? { "retry-after": "2", ...(isLink ? {} : { refresh: "2" }) } : {},
    );
  }
  return sendFile(request, response, page ? 200 : 404, files.get("/index.html")!);
}

/** The addresses that pages have; what is below them, the pages tell. */
function isPage(path: string): boolean {
  return (
    path === "/" || path === "/index.html" || path === "/sign-in" || path === "/o" || path.startsWith("/o/")
  );
}

/** A person who mistyped gets a page that says so; a program gets an error. */
function wantsPage(request: IncomingMessage, path: string): boolean {
  return !/\.\w+$/.test(path) && (request.headers.accept ?? "").includes("text/html");
}

/**
 * Where a program serves this machine only, the address bar shows one name: a
 * cookie belongs to a name. Other names lead here through a DNS of somebody
 * else's. Where browsers reach it by https, its cookie is kept at that address
 * alone: a sign-in elsewhere would use up its link for nothing. No redirect
 * leads there, since a proxy that changes Host would make it endless.
 */
function placeOf(request: IncomingMessage, publicUrl: string): "here" | "alias" | "elsewhere" | "unsecured" {
  const ours = new URL(publicUrl);
  const host = `${ours.protocol}//${request.headers.host ?? ""}`;
  const { hostname, port } = URL.canParse(host) ? new URL(host) : { hostname: "", port: "" };
  if (ours.protocol === "https:") {
    // Proxies may leave the port out.
    return hostname === ours.hostname && (port === "" || port === ours.port) ? "here" : "unsecured";
  }
  if (!isLoopback(ours.hostname) || hostname === ours.hostname) return "here";
  return isLoopback(hostname) ? "alias" : "elsewhere";
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  file: WebFile,
): Promise<void> {
  const encoding = accepted(request.headers["accept-encoding"]);
  const encoded = encoding && (await file.encoded(encoding));
  const body = encoded ?? file.body;
  const isPage = file.type.startsWith("text/html");
  response.writeHead(status, {
    ...security,
    "content-type": file.type,
    "content-length": body.length,
    "cache-control": isPage ? "no-store" : file.hashed ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    ...(encoded === undefined ? {} : { "content-encoding": encoding }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function accepted(header: string | string[] | undefined): Encoding | undefined {
  const offered = String(header ?? "")
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.split(";", 1)[0]);
  return offered.includes("br") ? "br" : offered.includes("gzip") ? "gzip" : undefined;
}

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    ...security,
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

function sendProblem(response: ServerResponse, error: OffingError): void {
  const { status, headers, body } = problem(error);
  response.writeHead(status, headers);
  response.end(body);
}

import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

export type Encoding = "br" | "gzip";

/** One file of the web build, in memory. */
export interface WebFile {
  readonly type: string;
  readonly body: Buffer;
  /** Whether its name changes with its content. */
  readonly hashed: boolean;
  /** Its body compressed, once; undefined where that saves nothing. */
  encoded(encoding: Encoding): Promise<Buffer> | undefined;
}

/** By path: `/index.html`, `/assets/index-1f2e.js`. What is not in it is not served, whatever a path says. */
export type WebFiles = ReadonlyMap<string, WebFile>;

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
};
/** Below this, compression is not worth its headers. */
const MIN_BYTES = 1024;

const compress = {
  br: (body: Buffer) => promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
  gzip: (body: Buffer) => promisify(gzip)(body),
} satisfies Record<Encoding, (body: Buffer) => Promise<Buffer>>;

/** Reads a web build; throws where it has no page. Links are left out. */
export async function readWebFiles(folder: string): Promise<WebFiles> {
  const files = new Map<string, WebFile>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join("/")}`;
    files.set(path, webFile(path, await readFile(file)));
  }
  if (!files.has("/index.html")) throw new Error(`${folder} holds no index.html`);
  return files;
}

function webFile(path: string, body: Buffer): WebFile {
  const type = types[extname(path)] ?? "application/octet-stream";
  const made = new Map<Encoding, Promise<Buffer>>();
  return {
    type,
    body,
    hashed: path.startsWith("/assets/"),
    encoded(encoding) {
      if (!type.includes("charset") || body.length < MIN_BYTES) return undefined;
      const known = made.get(encoding) ?? compress[encoding](body);
      made.set(encoding, known);
      return known;
    },
  };
}

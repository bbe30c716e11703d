import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readWebFiles, type WebFiles } from "../../src/http/web-files.ts";
import { openWorld, type World } from "../world.ts";

const script = `console.log(${JSON.stringify("x".repeat(5000))});\n`;
const page = "<!doctype html><title>Offing</title>\n";

let world: World;
let built: WebFiles;
let files: WebFiles | undefined;
let missing = { why: "Its pages are being built.", soon: true };
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "offing-web-"));
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), page);
  writeFileSync(join(folder, "assets/index-1f2e.js"), script);
  writeFileSync(join(folder, "robots.txt"), "User-agent: *\n");
  symlinkSync("/etc/passwd", join(folder, "assets/passwd.txt"));
  built = await readWebFiles(folder);
  world = await openWorld({ web: { files: () => files, missing: () => missing } });
});
afterAll(() => world.close());
beforeEach(() => {
  files = built;
});

const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

async function get(path: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await fetch(`${world.url}${path}`, { method, headers, redirect: "manual" });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A request whose path and Host no client library would send. */
async function raw(path: string, host?: string, headers = "", at?: number): Promise<string> {
  const { hostname, port } = new URL(world.url);
  const socket = connect(at ?? Number(port), hostname);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host ?? `${hostname}:${port}`}\r\n${headers}Connection: close\r\n\r\n`,
  );
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe("the pages", () => {
  it.each(["/", "/sign-in", "/sign-in?next=x", "/o/default/servers/a", "/o/absent/servers/b?view=log"])(
    "answer at %s, and are kept by nobody",
    async (path) => {
      const { status, headers, text } = await get(path);
      expect([status, text]).toEqual([200, page]);
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(headers.get("cache-control")).toBe("no-store");
    },
  );

  it("let nothing in that is not ours, and tell nobody where one was", async () => {
    for (const path of ["/", "/assets/index-1f2e.js", "/sign-in"]) {
      const { headers } = await get(path);
      const policy = headers.get("content-security-policy")!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    }
  });

  it("say that an address is none, as a page to people and as an error to programs", async () => {
    const person = await get("/nothing", html);
    expect([person.status, person.text]).toEqual([404, page]);
    const program = await get("/nothing");
    expect([program.status, JSON.parse(program.text).code]).toEqual([404, "not_found"]);
    const image = await get("/nothing.png", html);
    expect([image.status, image.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
  });

  it("are read only", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers } = await get("/", {}, method);
      expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
    const head = await get("/", {}, "HEAD");
    expect([head.status, head.text, head.headers.get("content-length")]).toEqual([
      200,
      "",
      String(page.length),
    ]);
  });
});

describe("their files", () => {
  it("are kept forever where the name changes with the content, and asked for again elsewhere", async () => {
    const hashed = await get("/assets/index-1f2e.js");
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(hashed.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect((await get("/robots.txt")).headers.get("cache-control")).toBe("no-cache");
  });

  it.each([
    ["br", brotliDecompressSync],
    ["gzip", gunzipSync],
  ])("come compressed with %s to who takes it", async (encoding, decompress) => {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /assets/index-1f2e.js HTTP/1.1\r\nHost: x\r\nAccept-Encoding: ${encoding}\r\nConnection: close\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const answer = Buffer.concat(chunks);
    const end = answer.indexOf("\r\n\r\n");
    const head = answer.subarray(0, end).toString().toLowerCase();
    expect(head).toContain(`content-encoding: ${encoding}`);
    expect(head).toContain("vary: accept-encoding");
    expect(decompress(answer.subarray(end + 4)).toString()).toBe(script);
  });

  it("come as they are to who takes nothing else", async () => {
    const answer = await raw("/assets/index-1f2e.js", undefined, "Accept-Encoding: br;q=0, identity\r\n");
    expect(answer.toLowerCase()).not.toContain("content-encoding");
    expect(answer.endsWith(script)).toBe(true);
  });

  it.each([
    "/assets/../../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/assets/..%2f..%2f..%2fetc%2fpasswd",
    "/assets\\..\\..\\etc\\passwd",
    "//etc/passwd",
    "/assets/passwd.txt",
    "/assets/index-1f2e.js%00.html",
    "/assets/",
    "/package.json",
    "/.vite/manifest.json",
    "/constructor",
    "/__proto__",
  ])("are those of the build and no others: %s", async (path) => {
    const answer = await raw(path);
    expect(answer.split("\r\n")[0]).toContain(" 404 ");
    expect(answer).not.toContain("root:");
  });
});

describe("an address has one owner", () => {
  it("what is unknown below /api is the API's to refuse, for browsers too", async () => {
    for (const path of ["/api", "/api/", "/api/v1/absent", "/api/v2/me"]) {
      const { status, headers } = await get(path, html);
      expect([status, headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    }
  });

  it("what is below an organization's server is the gateway's", async () => {
    for (const path of ["/default/absent/mcp", "/default/absent/assets/index-1f2e.js", "/default/a/"]) {
      expect((await get(path, html)).status).toBe(401);
    }
  });
});

describe("another name of this machine", () => {
  it("leads to the one that the cookie belongs to, for pages, and serves the API as it is", async () => {
    const { port } = new URL(world.url);
    const other = `http://127.0.0.1:${port}`;
    const response = await fetch(`${other}/o/default/servers/a?view=log`, { redirect: "manual" });
    expect(response.status).toBe(307);
    expect(response.headers.get("location")).toBe(`${world.url}/o/default/servers/a?view=log`);
    const me = await fetch(`${other}/api/v1/me`, {
      headers: { authorization: `Bearer ${world.owner.key}` },
    });
    expect(me.status).toBe(200);
  });

  it("given by somebody else's DNS is refused, and who meant it is told how to allow it", async () => {
    const answer = await raw("/", "evil.example");
    expect(answer).toContain(" 403 ");
    expect(answer).toContain("--url");
    expect(answer).not.toContain("<title>");
  });
});

describe("a program at an https address", () => {
  const secure = (env: Record<string, string>) =>
    openWorld({ env, web: { files: () => files, missing: () => missing } });

  /** The answer to a browser that asks for a page under `host`. */
  const at = async (own: World, host: string, path = "/sign-in") => {
    const { port } = new URL(own.system.localUrl);
    return raw(path, host.replace("PORT", port), "", Number(port));
  };

  it("shows its pages at that address alone: elsewhere a link would be used up for nothing", async () => {
    await using own = await secure({ OFFING_PUBLIC_URL: "https://mcp.example.com" });
    for (const host of ["localhost:PORT", "127.0.0.1:PORT", "mcp.example.com:PORT", "evil.example"]) {
      const answer = await at(own, host);
      expect(answer).toMatch(/^HTTP\/1.1 403 /);
      expect(answer).toContain("https://mcp.example.com");
      expect(answer).toContain("Host");
      expect(answer).not.toContain("<title>");
      expect(answer.toLowerCase()).not.toContain("\r\nlocation:");
    }
    for (const host of ["mcp.example.com", "MCP.example.com:443"])
      expect(await at(own, host)).toContain("<title>");
    // The API serves under every name: programs bring keys.
    expect(await at(own, "localhost:PORT", "/api/v1/me")).toContain(" 401 ");
  });

  it("that has a port takes what a proxy makes of it", async () => {
    await using own = await secure({ OFFING_PUBLIC_URL: "https://localhost:8443" });
    for (const host of ["localhost:8443", "localhost"]) expect(await at(own, host)).toContain("<title>");
    expect(await at(own, "localhost:PORT")).toMatch(/^HTTP\/1.1 403 /);
  });
});

describe("without built pages", () => {
  beforeEach(() => {
    files = undefined;
  });

  it("says in plain text what is the matter, and comes again by itself while they are being built", async () => {
    const { status, headers, text } = await get("/", html);
    expect([status, headers.get("content-type")]).toEqual([503, "text/plain; charset=utf-8"]);
    expect(text).toContain("Its pages are being built.");
    expect(text).toContain("/api/v1");
    expect([headers.get("refresh"), headers.get("retry-after")]).toEqual(["2", "2"]);
  });

  it("does not keep a browser waiting for pages that will not come", async () => {
    missing = { why: "Its pages could not be built: the program's log says why.", soon: false };
    const { headers, text } = await get("/", html);
    expect(text).toContain("could not be built");
    expect(headers.get("refresh")).toBeNull();
  });

  it("serves API and endpoints all the same", async () => {
    expect((await world.owner.client.call("me", {})).principal.id).toBe(world.owner.id);
    expect((await get("/default/absent/mcp")).status).toBe(401);
  });
});

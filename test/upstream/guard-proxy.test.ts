import { existsSync } from "node:fs";
import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createGuard, type GuardRefused } from "../../src/upstream/guard.ts";
import { createProxy, type Proxy, type ProxyOptions } from "../../src/upstream/proxy.ts";

let server: Server;
let port: number;
beforeAll(async () => {
  server = createServer((incoming, response) => {
    if (incoming.url === "/big") response.end(Buffer.alloc(1_000_000));
    else response.end(JSON.stringify({ url: incoming.url, headers: incoming.headers }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  port = typeof address === "object" && address ? address.port : 0;
});
afterAll(() => server.close());

let proxy: Proxy;
afterEach(() => proxy.close());

const open = async (allowed: boolean, options: Partial<ProxyOptions> = {}): Promise<GuardRefused[]> => {
  const refused: GuardRefused[] = [];
  const guard = createGuard({
    allow: () => (allowed ? [{ host: "127.0.0.1", port }] : []),
    own: () => [],
    trustedHosts: () => [],
  });
  proxy = await createProxy({
    guard,
    organization: "org",
    maxBytes: 10_000_000,
    onRefused: (refusal) => refused.push(refusal),
    ...options,
  });
  return refused;
};

interface Reply {
  readonly status: number;
  readonly body: string;
}

const viaSocket = (url: string): Promise<Reply> =>
  new Promise((done, fail) => {
    request(
      { socketPath: proxy.socket, path: url, headers: { host: "ignored", "proxy-authorization": "Basic x" } },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
        response.on("end", () => done({ status: response.statusCode ?? 0, body }));
        response.on("error", fail);
      },
    )
      .on("error", fail)
      .end();
  });

/** Everything that comes back for one CONNECT and what is sent through it. */
const tunnel = async (authority: string, through: string): Promise<string> => {
  const socket = connect(proxy.socket);
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    const first = text === "";
    text += chunk.toString("latin1");
    if (first && text.startsWith("HTTP/1.1 200")) socket.write(through);
  });
  socket.on("error", () => {});
  await once(socket, "close");
  return text;
};

const plainGet = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

describe("the guarded proxy", () => {
  it("forwards a plain request, without the headers that were for the proxy", async () => {
    await open(true);
    const reply = await viaSocket(`http://127.0.0.1:${port}/path?q=1`);
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body)).toMatchObject({ url: "/path?q=1" });
    expect(reply.body).not.toContain("proxy-authorization");
  });

  it("tunnels to an allowed host", async () => {
    await open(true);
    expect(await tunnel(`127.0.0.1:${port}`, plainGet("/in"))).toContain('"url":"/in"');
  });

  it("answers a refused tunnel with 403 and the reason, and tells whoever listens", async () => {
    const refused = await open(false);
    const text = await tunnel(`127.0.0.1:${port}`, plainGet("/in"));
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
    expect(text).toContain("--allow-private");
    expect(refused.map((refusal) => refusal.why)).toEqual(["loopback"]);
  });

  it("answers a refused plain request with 403 and the reason", async () => {
    const refused = await open(false);
    const reply = await viaSocket(`http://127.0.0.1:${port}/`);
    expect(reply.status).toBe(403);
    expect(reply.body).toContain(`127.0.0.1:${port}`);
    expect(refused).toHaveLength(1);
  });

  it.each(["2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"])(
    "refuses a tunnel to %s",
    async (host) => {
      await open(false);
      expect(await tunnel(`${host}:${port}`, "")).toMatch(/^HTTP\/1\.1 403 /);
    },
  );

  it("refuses its platform's own listener and metadata services, even where an admin allowed them", async () => {
    const refused: GuardRefused[] = [];
    const guard = createGuard({
      allow: () => [
        { host: "127.0.0.1", port },
        { host: "169.254.169.254", port: 80 },
      ],
      own: () => [{ host: "0.0.0.0", port }],
      trustedHosts: () => ["127.0.0.1", "169.254.169.254"],
    });
    proxy = await createProxy({
      guard,
      organization: "org",
      maxBytes: 1e6,
      onRefused: (refusal) => refused.push(refusal),
    });
    for (const authority of [`127.0.0.1:${port}`, `[::1]:${port}`, `[::ffff:127.0.0.1]:${port}`, `0:${port}`])
      expect(await tunnel(authority, plainGet("/in"))).toMatch(/^HTTP\/1\.1 403 /);
    expect((await viaSocket(`http://127.0.0.1:${port}/`)).status).toBe(403);
    expect(await tunnel("169.254.169.254:80", "")).toMatch(/^HTTP\/1\.1 403 /);
    expect(new Set(refused.map((refusal) => refusal.why))).toEqual(new Set(["own_listener", "metadata"]));
  });

  it("dials only what it judged, for a name that becomes another address at every question", async () => {
    let asked = 0;
    const guard = createGuard({
      allow: () => [],
      own: () => [],
      trustedHosts: () => [],
      // Nobody is there to be reached at the first; the second would be this machine.
      resolve: async () => [{ address: asked++ === 0 ? "192.88.99.1" : "127.0.0.1", family: 4 }],
    });
    proxy = await createProxy({ guard, organization: "org", maxBytes: 1e6 });
    for (let i = 0; i < 3; i++)
      expect(await tunnel(`rebind.example:${port}`, plainGet("/in"))).not.toContain('"url":"/in"');
  });

  it.each(["", ":", "host", "host:", "host:x", ":80", "a b:80", "host:99999", "[::1", "-x:80", "../x:80"])(
    "answers a tunnel to %j with a refusal and goes on",
    async (authority) => {
      await open(true);
      expect(await tunnel(authority, "")).not.toContain(" 200 ");
      expect(await tunnel(`127.0.0.1:${port}`, plainGet("/in"))).toContain('"url":"/in"');
    },
  );

  it("serves its loopback side only to who has the token", async () => {
    await open(true);
    const url = new URL(proxy.url);
    const ask = (authorization?: string): Promise<number> =>
      new Promise((done, fail) => {
        const headers = authorization === undefined ? {} : { "proxy-authorization": authorization };
        request(
          { host: url.hostname, port: url.port, path: `http://127.0.0.1:${port}/`, headers },
          (response) => {
            response.resume();
            response.on("end", () => done(response.statusCode ?? 0));
          },
        )
          .on("error", fail)
          .end();
      });
    expect(await ask()).toBe(407);
    expect(await ask("Basic YnVpbGQ6d3Jvbmc=")).toBe(407);
    expect(await ask(`Basic ${Buffer.from(`build:${url.password}`).toString("base64")}`)).toBe(200);
  });

  it("cuts every connection once its bytes are used up, and says so once", async () => {
    let limits = 0;
    await open(true, { maxBytes: 100_000, onLimit: () => limits++ });
    const text = await tunnel(`127.0.0.1:${port}`, plainGet("/big"));
    expect(text.length).toBeLessThan(1_000_000);
    expect(limits).toBe(1);
    expect(await tunnel(`127.0.0.1:${port}`, plainGet("/in"))).toContain("byte limit");
  });

  it("leaves no socket behind, and ends what is open, when it closes", async () => {
    await open(true);
    const idle = connect(proxy.socket);
    await once(idle, "connect");
    const closed = once(idle, "close");
    await proxy.close();
    await closed;
    expect(existsSync(dirname(proxy.socket))).toBe(false);
  });
});

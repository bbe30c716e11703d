import { Agent } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { discover, type DiscoverOptions } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bothEras, statelessOnly } from "./scripts.ts";
import { SdkServer } from "./sdk-server.ts";

/** In which eras a server is found to answer (2026-07-28, basic/versioning). */
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

async function handshakeServer(): Promise<SdkServer> {
  const server = await SdkServer.start();
  open.push(server);
  return server;
}

async function erasOf(server: SdkServer, options: DiscoverOptions = {}) {
  const agent = new Agent();
  try {
    return (await discover(createPools({ guarded: () => agent }).external("org", server.url), options)).eras;
  } finally {
    await agent.destroy();
  }
}

const error = (code: number, data = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code, message: "no", data } });

describe("a server that speaks the handshake era", () => {
  it.each([
    ["400 with a code of its own", { status: 400, body: error(-32000) }],
    ["400 without JSON-RPC", { status: 400, body: "Bad Request" }],
    ["404", { status: 404, body: "" }],
    ["405", { status: 405, body: "" }],
    ["200 with -32601", { status: 200, body: error(-32601) }],
    ["200 with -32602", { status: 200, body: error(-32602) }],
  ])(
    "and answers `server/discover` with %s is one of that era alone [R:upstream.detect]",
    async (_, answer) => {
      const server = await handshakeServer();
      server.instead = ({ message }) => (message?.method === "server/discover" ? answer : undefined);
      expect(await erasOf(server, { known: ["stateless", "handshake"] })).toEqual(["handshake"]);
    },
  );

  it.each([
    ["401", { status: 401 }],
    ["403", { status: 403 }],
    ["429", { status: 429 }],
    ["500", { status: 500, body: error(-32603) }],
    ["503", { status: 503 }],
    ["a redirect", { status: 302, headers: { location: "/" } }],
    ["200 with -32603", { status: 200, body: error(-32603) }],
    ["400 with -32020", { status: 400, body: error(-32020) }],
    ["400 with -32021", { status: 400, body: error(-32021) }],
  ])(
    "keeps the era that it was known to speak where %s is no evidence against it [R:upstream.evidence]",
    async (_, answer) => {
      const server = await handshakeServer();
      server.instead = ({ message }) => (message?.method === "server/discover" ? answer : undefined);
      expect(await erasOf(server, { known: ["stateless", "handshake"] })).toEqual(["stateless", "handshake"]);
      expect(await erasOf(server)).toEqual(["handshake"]);
    },
  );

  it("has its session ended once it has been read", async () => {
    const server = await handshakeServer();
    expect(await erasOf(server)).toEqual(["handshake"]);
    expect(server.of("initialize").length).toBe(1);
    expect(server.open).toEqual([]);
  });
});

describe("a server that speaks the stateless era", () => {
  it("is asked once more where it refuses the revision and names that very one as supported [R:upstream.offered-revision]", async () => {
    const server = await handshakeServer();
    let refused = false;
    server.instead = (seen) => {
      if (refused) return statelessOnly(seen);
      refused = true;
      return { status: 400, body: error(-32022, { supported: ["2026-07-28"], requested: "2026-07-28" }) };
    };
    expect(await erasOf(server, { frugal: true })).toEqual(["stateless"]);
    // What it does not know it is not sent.
    expect(server.of("initialize")).toEqual([]);
  });

  it("in other revisions than ours alone is not spoken to in that era", async () => {
    const server = await handshakeServer();
    server.instead = ({ message }) =>
      message?.method === "server/discover"
        ? { status: 400, body: error(-32022, { supported: ["2027-01-01"] }) }
        : undefined;
    expect(await erasOf(server)).toEqual(["handshake"]);
  });

  it("and in the other era too is found to speak both", async () => {
    const server = await handshakeServer();
    server.instead = bothEras;
    expect(await erasOf(server)).toEqual(["stateless", "handshake"]);
    server.seen.length = 0;
    expect(await erasOf(server, { frugal: true })).toEqual(["stateless"]);
    expect(await erasOf(server, { frugal: true, known: ["handshake"] })).toEqual(["stateless", "handshake"]);
    expect(server.of("initialize")).toEqual([]);
  });
});

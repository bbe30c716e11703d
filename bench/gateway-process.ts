import { hash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createGateway } from "../src/gateway/handler.ts";
import { openToken, sealToken } from "../src/lib/seal.ts";
import type { Principal } from "../src/policy/decide.ts";
import type { Endpoint } from "../src/snapshot/snapshot.ts";

/** The gateway alone, with doors in memory. argv: upstream socket, own socket or a port to share, key. */
const [, , upstream, own, key] = process.argv;
const endpoint: Endpoint = {
  id: "dep_1",
  organization: { id: "org_1", slug: "acme" },
  server: { id: "srv_1", slug: "bench", kind: "hosted" },
  deployment: "live",
  upstream: {
    kind: "hosted",
    target: {
      organization: "org_1",
      server: "srv_1",
      artifact: "a".repeat(64),
      scope: "production",
      variables: null,
    },
  },
  manifest: {
    serverInfo: { name: "bench", version: "1" },
    capabilities: { tools: {} },
    eras: ["handshake", "stateless"],
    items: ["add", "stream"].map((name) => ({ kind: "tool", name, hash: "0".repeat(64), definition: {} })),
  },
  eras: ["handshake", "stateless"],
  virtualSessions: false,
  requestWindowMs: 170_000,
};
const principal: Principal = {
  kind: "service_account",
  id: "svc_1",
  organization: "org_1",
  name: "bench",
  organizationRole: "member",
  grants: new Map([["srv_1", "user"]]),
};
const endpoints = new Map([["acme/bench@live", endpoint]]);
const keys = new Map([[hash("sha256", key!), { principal, token: "key_1", kind: "api_key" as const }]]);
const ring = { current: "1", keys: new Map([["1", randomBytes(32)]]) };
let records = 0;
const gateway = createGateway({
  snapshot: {
    endpoint: (address) => endpoints.get(address),
    key: () => undefined,
    principal: () => principal,
    session: () => undefined,
    keptSessions: () => 0,
    endedBefore: () => 0,
    watch: () => () => {},
  },
  tokens: { verify: (_, sha256) => keys.get(sha256) },
  credentials: { headers: () => ({}) },
  instances: {
    acquire: async () => ({
      instance: "ins_1",
      address: `unix:${upstream}`,
      lost: new AbortController().signal,
      release() {},
    }),
  },
  sessions: {
    seal: (claims) => sealToken(ring, "session", claims),
    open: (token) => openToken(ring, "session", token),
    seen() {},
    begin: async () => true,
    publish: async () => {},
  },
  records: { write: () => void records++ },
  publicUrl: "http://localhost",
});
createServer((req, res) => gateway.handle(req, res)).listen(
  /^\d+$/.test(own!) ? { host: "127.0.0.1", port: Number(own), reusePort: true } : { path: own! },
  () => process.send?.("ready"),
);
process.on("message", () =>
  process.send?.({ ...process.cpuUsage(), records, rss: process.memoryUsage().rss }),
);

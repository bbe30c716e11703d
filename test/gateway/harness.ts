import { type ChildProcess, spawn } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGateway, type Gateway } from "../../src/gateway/handler.ts";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import type { Credentials, Instances, Lease, RequestRecord } from "../../src/gateway/ports.ts";
import { newId } from "../../src/lib/ids.ts";
import { type Keyring, openToken, sealToken } from "../../src/lib/seal.ts";
import type { Era } from "../../src/mcp/eras.ts";
import type { Manifest } from "../../src/mcp/manifest.ts";
import type { Principal } from "../../src/policy/decide.ts";
import type { ServerRole } from "../../src/policy/permissions.ts";
import type { Endpoint, Snapshot } from "../../src/snapshot/snapshot.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { environment } from "../fixtures/environments.ts";

export const emptyManifest: Manifest = {
  serverInfo: { name: "scripted", version: "1" },
  capabilities: { tools: {}, logging: {} },
  eras: ["handshake", "stateless"],
  items: [],
};

/** The gateway on a real socket, with doors filled from memory. */
export class TestGateway implements AsyncDisposable {
  readonly records: RequestRecord[] = [];
  readonly ended = new Set<string>();
  /** Server slug → what `acquire` does for it. */
  readonly instances = new Map<string, () => Promise<Lease>>();
  readonly acquired = new Map<string, number>();
  readonly released = new Map<string, number>();
  now = () => Date.now();
  url = "";
  gateway!: Gateway;
  #options!: Parameters<typeof createGateway>[0];
  server!: Server;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #keys = new Map<string, { id: string; principal: Principal }>();
  readonly #written = new EventEmitter();
  readonly #ring: Keyring = { current: "1", keys: new Map([["1", randomBytes(32)]]) };

  static async start(
    limits: Partial<GatewayLimits> = {},
    credentials: Credentials = { headers: () => ({}) },
  ): Promise<TestGateway> {
    const world = new TestGateway();
    const snapshot: Snapshot = {
      endpoint: (organization, server, deployment) =>
        world.#endpoints.get(`${organization}/${server}@${deployment}`),
      key: () => undefined,
      principal: () => undefined,
      sessionEnded: (session) => world.ended.has(session),
    };
    world.#options = {
      snapshot,
      tokens: {
        verify(_, sha256) {
          const entry = world.#keys.get(sha256);
          return entry && { principal: entry.principal, token: entry.id, kind: "api_key" };
        },
      },
      credentials,
      instances: { acquire: (target) => world.#acquire(target.server) } satisfies Instances,
      sessions: {
        seal: (claims) => sealToken(world.#ring, "session", claims),
        open: (token) => openToken(world.#ring, "session", token),
        end: async (session) => void world.ended.add(session),
      },
      records: {
        write(record) {
          world.records.push(record);
          world.#written.emit("record", record);
        },
      },
      clock: { now: () => world.now(), monotonic: () => performance.now() },
      publicUrl: "http://localhost",
      limits: { drainMs: 200, ...limits },
    };
    world.restart();
    world.server = createServer((req, res) => {
      if (world.gateway.matches(req.url ?? "/")) world.gateway.handle(req, res);
      else res.writeHead(404).end();
    });
    world.server.listen(0, "127.0.0.1");
    await once(world.server, "listening");
    world.url = `http://127.0.0.1:${(world.server.address() as AddressInfo).port}`;
    return world;
  }

  /** Puts a gateway in place of the present one, which knows nothing but what is behind the doors. */
  restart(): void {
    this.gateway = createGateway(this.#options);
  }

  /** Puts a server behind the gate; answers the URL of its live endpoint. */
  publish(
    slug: string,
    options: {
      address: string | (() => Promise<Lease>);
      organization?: string;
      deployment?: string;
      manifest?: Manifest;
      eras?: readonly Era[];
      windowMs?: number;
    },
  ): string {
    const organization = options.organization ?? "acme";
    const manifest = options.manifest ?? emptyManifest;
    const deployment = options.deployment ?? "live";
    const id = `srv_${organization}_${slug}`;
    this.#endpoints.set(`${organization}/${slug}@${deployment}`, {
      id: `${id}_${deployment}`,
      organization: { id: `org_${organization}`, slug: organization },
      server: { id, slug, kind: "hosted" },
      deployment,
      upstream: {
        kind: "hosted",
        target: {
          organization: `org_${organization}`,
          server: id,
          artifact: "a".repeat(64),
          scope: "production",
          variables: null,
        },
      },
      manifest,
      eras: options.eras ?? manifest.eras,
      requestWindowMs: options.windowMs ?? 20_000,
    });
    const { address } = options;
    this.instances.set(id, typeof address === "string" ? async () => this.lease(id, address) : address);
    return `${this.url}/${organization}/${slug}${deployment === "live" ? "" : `@${deployment}`}/mcp`;
  }

  lease(server: string, address: string, lost = new AbortController()): Lease {
    return {
      instance: newId("ins"),
      address,
      lost: lost.signal,
      release: () => this.released.set(server, (this.released.get(server) ?? 0) + 1),
    };
  }

  /** A key of a new principal with a role on servers (slugs of its organization). */
  key(
    options: {
      organization?: string;
      roles?: Record<string, ServerRole>;
      kind?: "user" | "service_account";
      email?: string;
      owner?: boolean;
    } = {},
  ): { key: string; principal: Principal & { id: string }; id: string } {
    const organization = options.organization ?? "acme";
    const key = `off_${randomBytes(24).toString("base64url")}`;
    const kind = options.kind ?? "user";
    const principal = {
      kind,
      id: newId(kind === "user" ? "usr" : "svc"),
      organization: `org_${organization}`,
      name: "someone",
      ...(options.email === undefined ? {} : { email: options.email }),
      organizationRole: options.owner === true ? "owner" : "member",
      grants: new Map(
        Object.entries(options.roles ?? {}).map(([slug, role]) => [`srv_${organization}_${slug}`, role]),
      ),
    } as const;
    const id = newId("key");
    this.#keys.set(hash("sha256", key), { id, principal });
    return { key, principal, id };
  }

  revoke(key: string): void {
    this.#keys.delete(hash("sha256", key));
  }

  /** Resolves with the first record, written or yet to come, for which `accepts` holds. */
  async record(accepts: (record: RequestRecord) => boolean): Promise<RequestRecord> {
    const found = this.records.find(accepts);
    if (found !== undefined) return found;
    return new Promise((resolve) => {
      const look = (record: RequestRecord) => {
        if (!accepts(record)) return;
        this.#written.off("record", look);
        resolve(record);
      };
      this.#written.on("record", look);
    });
  }

  async #acquire(server: string): Promise<Lease> {
    this.acquired.set(server, (this.acquired.get(server) ?? 0) + 1);
    return this.instances.get(server)!();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

/** The frameworks that the gateway is tried with, and what their environments hold. */
export const frameworks = [
  { name: "FastMCP 3", framework: "fastmcp", requirements: ["fastmcp==3.4.10"], eras: ["handshake"] },
  {
    name: "FastMCP 4",
    framework: "fastmcp",
    requirements: ["fastmcp==4.1.2"],
    eras: ["stateless", "handshake"],
  },
  {
    name: "MCPServer",
    framework: "mcpserver",
    requirements: ["mcp==2.3.0", "uvicorn"],
    eras: ["stateless", "handshake"],
  },
] as const;
export type Framework = (typeof frameworks)[number];

/** The interpreter of a framework's environment, made on first use. */
export async function pythonOf(kind: Framework): Promise<string> {
  return join(await environment(kind.requirements), "bin/python");
}

/** Folder of its own for one test file, short enough for socket paths. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "og-"));
}

/** A real Python server on a unix socket. */
export class PythonServer implements AsyncDisposable {
  readonly address: string;
  readonly folder: string;
  readonly child: ChildProcess;
  manifest!: Manifest;

  constructor(child: ChildProcess, folder: string, address: string) {
    this.child = child;
    this.folder = folder;
    this.address = address;
  }

  static async start(kind: Framework): Promise<PythonServer> {
    const python = await pythonOf(kind);
    const folder = temporaryFolder();
    const socket = join(folder, "s");
    const child = spawn(python, [join(import.meta.dirname, "server.py"), socket], {
      env: { ...process.env, FRAMEWORK: kind.framework },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const lines = createInterface(child.stdout!);
    for await (const line of lines) if (line === "ready") break;
    lines.close();
    child.stdout!.resume();
    const server = new PythonServer(child, folder, `unix:${socket}`);
    const pools = createPools();
    server.manifest = await discover(pools.at(server.address));
    await pools.close();
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "exit");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

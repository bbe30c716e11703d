import { hash, randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { createGateway, type Gateway } from "../../src/gateway/handler.ts";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import type { Credentials, Instances, Lease, RequestRecord } from "../../src/gateway/ports.ts";
import { newId } from "../../src/lib/ids.ts";
import { type Keyring, openToken, sealToken } from "../../src/lib/seal.ts";
import type { Era } from "../../src/mcp/eras.ts";
import type { Manifest } from "../../src/mcp/manifest.ts";
import type { Principal } from "../../src/policy/decide.ts";
import type { ServerRole } from "../../src/policy/permissions.ts";
import { withRefusals } from "../../src/snapshot/era-refusals.ts";
import type { SessionRow, SessionState } from "../../src/snapshot/session.ts";
import { KeptSessions } from "../../src/snapshot/kept-sessions.ts";
import type { Endpoint, Snapshot, SnapshotChange } from "../../src/snapshot/snapshot.ts";
import { createPools } from "../../src/upstream/pool.ts";

export * from "./python-server.ts";

export const emptyManifest: Manifest = {
  serverInfo: { name: "scripted", version: "1" },
  capabilities: { tools: {}, logging: {} },
  eras: ["handshake", "stateless"],
  items: [],
};

/** The gateway on a real socket, with doors filled from memory. */
export class TestGateway implements AsyncDisposable {
  readonly records: RequestRecord[] = [];
  /** What was published of sessions. */
  readonly published = new Map<string, SessionState>();
  readonly kept = new KeptSessions();
  /** The session rows that were written, newest last. */
  readonly sessions: SessionRow[] = [];
  /** Ids of the external servers that were doubted. */
  readonly doubted: string[] = [];
  /** Server slug → what `acquire` does for it. */
  readonly instances = new Map<string, () => Promise<Lease>>();
  /** Whether no virtual session can be begun. */
  beginFails = false;
  /** Whether who is told of refused capabilities breaks what it promises, and throws. */
  refusedFails = false;
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
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  readonly #watchers = new Set<(change: SnapshotChange) => void>();
  /** Gateway processes of their own, by name. */
  readonly #processes = new Map<string, Gateway>();
  /** Standing streams that were opened at them. */
  #stood = 0;
  readonly #ring: Keyring = { current: "1", keys: new Map([["1", randomBytes(32)]]) };

  static async start(
    limits: Partial<GatewayLimits> = {},
    credentials: Credentials = { headers: () => ({}) },
    reached: { publicUrl?: string; allowedOrigins?: readonly string[] } = {},
  ): Promise<TestGateway> {
    const world = new TestGateway();
    const snapshot: Snapshot = {
      endpoint: (address) => world.#endpoints.get(address),
      key: () => undefined,
      principal: () => undefined,
      session: (id) => world.published.get(id),
      keptSessions: (holder, as) => world.kept.count(holder, as, world.now()),
      endedBefore: (server, principal) => world.kept.endedBefore(server, principal),
      watch(listener) {
        world.#watchers.add(listener);
        return () => void world.#watchers.delete(listener);
      },
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
        seen: (row) => void world.sessions.push(row),
        async begin(row) {
          if (world.beginFails) throw new Error("the store is away");
          world.sessions.push(row);
          const before = world.published.get(row.id)?.began ?? -Infinity;
          if (before + 24 * 3_600_000 <= world.now()) {
            world.published.set(row.id, { ended: false, began: row.createdAt });
          }
          return true;
        },
        async publish(row, news) {
          const { subscribed, unsubscribed, ...rest } = news;
          const session = { began: row.createdAt, expiresAt: row.expiresAt };
          const before = world.published.get(row.id);
          const kept = (before?.subscriptions ?? []).filter((uri) => uri !== (subscribed ?? unsubscribed));
          const subscriptions = subscribed === undefined ? kept : [...kept, subscribed];
          if (before?.ended === true) return;
          world.kept.drop(row.id, row);
          if (news.ended === true) {
            world.published.set(row.id, { ended: true });
            const less = world.kept.keep(row.id, row, { ...session, as: "ended" });
            if (less !== undefined) world.published.delete(less);
          } else {
            const until = before?.until ?? row.expiresAt;
            world.published.set(row.id, { ended: false, until, ...before, ...rest, subscriptions });
            const set = news.until === undefined || (before !== undefined && before.level !== undefined);
            world.kept.keep(row.id, row, { ...session, as: set ? "set" : "extended" });
          }
          world.tell({ kind: "session", subject: row.id });
        },
      },
      upstreams: {
        doubt: ({ server }) => void world.doubted.push(server),
        refused(refusal) {
          if (world.refusedFails) throw new Error("nobody can be told");
          for (const [path, each] of world.#endpoints) {
            world.#endpoints.set(path, withRefusals(each, [refusal]));
          }
        },
      },
      records: {
        write(record) {
          world.records.push(record);
          world.#written.emit("record", record);
        },
      },
      clock: { now: () => world.now(), monotonic: () => performance.now() },
      publicUrl: "http://localhost",
      ...reached,
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
    const pools = createPools({ guarded: () => this.#agent });
    this.gateway = createGateway({ ...this.#options, pools });
  }

  /** A gateway process of its own behind the same doors; `addresses`: where the others take requests over, by name. */
  process(self: string, addresses: ReadonlyMap<string, string>): Gateway {
    const pools = createPools({ guarded: () => this.#agent, self });
    const others = () => [...addresses.keys()].filter((name) => name !== self);
    const peers = {
      self,
      address: (holder: string) => addresses.get(holder),
      others,
      stands: (session: string) => {
        const at = ++this.#stood;
        for (const name of others()) this.#processes.get(name)?.stands(self, session, at);
        return at;
      },
    };
    const gateway = createGateway({ ...this.#options, pools, peers });
    for (const [name, other] of this.#processes) {
      for (const [session, at] of other.standing()) gateway.stands(name, session, at);
    }
    this.#processes.set(self, gateway);
    return gateway;
  }

  /** Puts a server behind the gate, hosted unless it is `external`; answers the URL of its live endpoint. */
  publish(
    slug: string,
    options: {
      /** Of an instance; an http URL where the server is external. */
      address: string | (() => Promise<Lease>);
      external?: boolean;
      organization?: string;
      deployment?: string;
      manifest?: Manifest;
      eras?: readonly Era[];
      windowMs?: number;
      /** One letter; another one is another artifact. */
      artifact?: string;
      virtualSessions?: boolean;
    },
  ): string {
    const organization = options.organization ?? "acme";
    const manifest = options.manifest ?? emptyManifest;
    const deployment = options.deployment ?? "live";
    const id = `srv_${organization}_${slug}`;
    const path = `${organization}/${slug}@${deployment}`;
    const before = this.#endpoints.get(path);
    const after: Endpoint = {
      id: `${id}_${deployment}`,
      organization: { id: `org_${organization}`, slug: organization },
      server: { id, slug, kind: options.external === true ? "external" : "hosted" },
      deployment,
      upstream:
        options.external === true
          ? {
              kind: "external",
              organization: `org_${organization}`,
              server: id,
              url: String(options.address),
              ...(manifest.transport === undefined ? {} : { transport: manifest.transport }),
            }
          : {
              kind: "hosted",
              target: {
                organization: `org_${organization}`,
                server: id,
                artifact: (options.artifact ?? "a").repeat(64),
                scope: "production",
                variables: null,
              },
            },
      manifest,
      eras: options.eras ?? manifest.eras,
      virtualSessions: options.virtualSessions ?? false,
      requestWindowMs: options.windowMs ?? 20_000,
    };
    const { address } = options;
    this.instances.set(id, typeof address === "string" ? async () => this.lease(id, address) : address);
    this.#endpoints.set(path, after);
    this.tell({ kind: "server", subject: id, before: before === undefined ? [] : [before], after: [after] });
    return `${this.url}/${organization}/${slug}${deployment === "live" ? "" : `@${deployment}`}/mcp`;
  }

  /** Takes a server's live endpoint away. */
  unpublish(slug: string, organization = "acme"): void {
    const path = `${organization}/${slug}@live`;
    const before = this.#endpoints.get(path);
    if (before === undefined) return;
    this.#endpoints.delete(path);
    this.tell({ kind: "server", subject: before.server.id, before: [before], after: [] });
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

  /** Another key of a principal. */
  another(principal: Principal): string {
    const key = `off_${randomBytes(24).toString("base64url")}`;
    this.#keys.set(hash("sha256", key), { id: newId("key"), principal });
    return key;
  }

  /** Gives a principal another role on a server (by its slug), at once. */
  grant(principal: Principal & { id: string }, slug: string, role: ServerRole, organization = "acme"): void {
    const { grants } = principal as { grants?: ReadonlyMap<string, ServerRole> };
    (grants as Map<string, ServerRole>).set(`srv_${organization}_${slug}`, role);
    this.tell({ kind: "principal", subject: principal.id });
  }

  /** As the snapshot tells of a change that is in force. */
  tell(change: SnapshotChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  revoke(key: string): void {
    const id = this.#keys.get(hash("sha256", key))?.id ?? "";
    this.#keys.delete(hash("sha256", key));
    this.tell({ kind: "key", subject: id });
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
    await this.#agent.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

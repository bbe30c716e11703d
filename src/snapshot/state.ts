import type { Principal } from "../policy/decide.ts";
import { codeOf, type EraRefusal, withRefusals } from "./era-refusals.ts";
import { type Holder, type KeptAs, KeptSessions } from "./kept-sessions.ts";
import type { SessionState } from "./session.ts";
import { addressOf, type Endpoint, type KeyEntry, type Snapshot, type SnapshotChange } from "./snapshot.ts";

/** One shard, compiled anew; it replaces the shard of the same kind and subject. */
export type Shard =
  | { readonly kind: "egress"; readonly organization: string; readonly hosts: readonly AllowedHost[] }
  | { readonly kind: "server"; readonly subject: string; readonly endpoints: readonly Endpoint[] }
  | {
      readonly kind: "principal";
      readonly organization: string;
      readonly subject: string;
      readonly principal: Principal | undefined;
    }
  | {
      readonly kind: "key";
      readonly subject: string;
      readonly key: (KeyEntry & { readonly hash: string }) | undefined;
    }
  | {
      readonly kind: "session";
      readonly subject: string;
      readonly began: number;
      readonly expiresAt: number;
      readonly session: SessionState;
      /** Whose it is, where it counts as one of theirs: a handshake session's. */
      readonly holder?: Holder | undefined;
    };

/** Sessions that are over and are forgotten when another one is published. */
const FORGOTTEN_AT_ONCE = 1_000;

function keptAs({ ended, level, upstream, subscriptions }: SessionState): KeptAs {
  if (ended) return "ended";
  return (level ?? upstream ?? subscriptions) === undefined ? "extended" : "set";
}

interface PublishedSession {
  readonly state: SessionState;
  readonly expiresAt: number;
  readonly holder: Holder | undefined;
}

/** A private host and port that admins of an organization let its connections reach. */
export interface AllowedHost {
  readonly host: string;
  readonly port: number;
}

export interface SnapshotState extends Snapshot {
  apply(shard: Shard): void;
  /**
   * Takes notice of a refusal before it is stored, so that the next call here
   * is decided by it. False where it is known, or what it is of does not serve.
   */
  refused(refusal: EraRefusal): boolean;
  allowedHosts(organization: string): readonly AllowedHost[];
  /** How many endpoints there are, for the start-up message. */
  readonly endpointCount: number;
}

/** Refusals of one server that are kept here while no shard tells of them. */
const MOST_MET = 100;

function refusalName({ code, kind, hash, era }: Pick<EraRefusal, "code" | "kind" | "hash" | "era">): string {
  return `${code} ${kind} ${hash} ${era}`;
}

/** The snapshot in shards: what a gateway decides by, all of it in memory. */
export function createSnapshot(now: () => number): SnapshotState {
  const endpoints = new Map<string, Endpoint>();
  const addressesOf = new Map<string, readonly string[]>();
  const keys = new Map<string, KeyEntry>();
  const hashOf = new Map<string, string>();
  const principals = new Map<string, Principal>();
  const allowed = new Map<string, readonly AllowedHost[]>();
  const sessions = new Map<string, PublishedSession>();
  const keptSessions = new KeptSessions();
  /** Server → refusals that were met here and are in no shard yet. */
  const met = new Map<string, readonly EraRefusal[]>();
  const watchers = new Set<(change: SnapshotChange) => void>();

  const tell = (change: SnapshotChange): void => {
    for (const watcher of watchers) watcher(change);
  };

  const forget = (session: string): void => {
    const holder = sessions.get(session)?.holder;
    if (holder !== undefined) keptSessions.drop(session, holder);
    sessions.delete(session);
  };

  /** The endpoints of a shard, with what was met here and is not among what the shard was made of. */
  const withMet = (server: string, given: readonly Endpoint[]): readonly Endpoint[] => {
    const before = met.get(server);
    if (before === undefined) return given;
    const codes = new Set(given.map(codeOf));
    const known = new Set(
      given.flatMap((endpoint) =>
        endpoint.manifest.items.flatMap(({ kind, hash, refused = [] }) =>
          refused.map((era) => refusalName({ code: codeOf(endpoint), kind, hash, era })),
        ),
      ),
    );
    const left = before
      .filter((refusal) => codes.has(refusal.code) && !known.has(refusalName(refusal)))
      .slice(-MOST_MET);
    if (left.length > 0) met.set(server, left);
    else met.delete(server);
    return given.map((endpoint) => withRefusals(endpoint, left));
  };

  return {
    endpoint: (address) => endpoints.get(address),
    key: (hash) => keys.get(hash),
    principal: (organization, id) => principals.get(`${organization}/${id}`),
    session: (id) => sessions.get(id)?.state,
    keptSessions: (holder, as) => keptSessions.count(holder, as, now()),
    endedBefore: (server, principal) => keptSessions.endedBefore(server, principal),
    watch(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    allowedHosts: (organization) => allowed.get(organization) ?? [],
    get endpointCount() {
      return endpoints.size;
    },
    refused(refusal) {
      let isNew = false;
      for (const address of addressesOf.get(refusal.server) ?? []) {
        const before = endpoints.get(address)!;
        const after = withRefusals(before, [refusal]);
        if (after === before) continue;
        endpoints.set(address, after);
        isNew = true;
      }
      if (isNew) met.set(refusal.server, [...(met.get(refusal.server) ?? []), refusal].slice(-MOST_MET));
      return isNew;
    },
    apply(shard) {
      switch (shard.kind) {
        case "egress":
          return void allowed.set(shard.organization, shard.hosts);
        case "server": {
          const known = addressesOf.get(shard.subject) ?? [];
          const before = known.map((address) => endpoints.get(address)!);
          const after = withMet(shard.subject, shard.endpoints);
          const addresses = after.map((e) => addressOf(e.organization.slug, e.server.slug, e.deployment));
          for (const address of known) if (!addresses.includes(address)) endpoints.delete(address);
          after.forEach((endpoint, index) => endpoints.set(addresses[index]!, endpoint));
          if (addresses.length > 0) addressesOf.set(shard.subject, addresses);
          else addressesOf.delete(shard.subject);
          tell({ kind: "server", subject: shard.subject, before, after });
          return;
        }
        case "principal": {
          const name = `${shard.organization}/${shard.subject}`;
          if (shard.principal) principals.set(name, shard.principal);
          else principals.delete(name);
          tell({ kind: "principal", subject: shard.subject });
          return;
        }
        case "key": {
          const before = hashOf.get(shard.subject);
          if (before !== undefined && before !== shard.key?.hash) keys.delete(before);
          if (shard.key) {
            keys.set(shard.key.hash, shard.key);
            hashOf.set(shard.subject, shard.key.hash);
          } else hashOf.delete(shard.subject);
          tell({ kind: "key", subject: shard.subject });
          return;
        }
        case "session": {
          let most = FORGOTTEN_AT_ONCE;
          for (const [id, { expiresAt }] of sessions) {
            if (expiresAt > now() || most-- === 0) break;
            forget(id);
          }
          const { subject, session: state, began, expiresAt, holder } = shard;
          // At the end again: all expire within a day of what is published of them.
          forget(subject);
          sessions.set(subject, { state, expiresAt, holder });
          const as = keptAs(state);
          const less = holder && keptSessions.keep(subject, holder, { as, began, expiresAt });
          if (less !== undefined) sessions.delete(less);
          tell({ kind: "session", subject: shard.subject });
          return;
        }
      }
    },
  };
}

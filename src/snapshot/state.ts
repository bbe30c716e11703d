import type { Principal } from "../policy/decide.ts";
import { type Holder, KeptSessions } from "./kept-sessions.ts";
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
      readonly expiresAt: number;
      readonly session: SessionState;
      /** Whose it is, where it counts as one of theirs: an open handshake session's. */
      readonly holder?: Holder | undefined;
    };

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
  allowedHosts(organization: string): readonly AllowedHost[];
  /** How many endpoints there are, for the start-up message. */
  readonly endpointCount: number;
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
  const watchers = new Set<(change: SnapshotChange) => void>();

  const tell = (change: SnapshotChange): void => {
    for (const watcher of watchers) watcher(change);
  };

  const forget = (session: string): void => {
    const holder = sessions.get(session)?.holder;
    if (holder !== undefined) keptSessions.drop(session, holder);
    sessions.delete(session);
  };

  return {
    endpoint: (address) => endpoints.get(address),
    key: (hash) => keys.get(hash),
    principal: (organization, id) => principals.get(`${organization}/${id}`),
    session: (id) => sessions.get(id)?.state,
    keptSessions: (holder) => keptSessions.count(holder, now()),
    watch(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    allowedHosts: (organization) => allowed.get(organization) ?? [],
    get endpointCount() {
      return endpoints.size;
    },
    apply(shard) {
      switch (shard.kind) {
        case "egress":
          return void allowed.set(shard.organization, shard.hosts);
        case "server": {
          const known = addressesOf.get(shard.subject) ?? [];
          const before = known.map((address) => endpoints.get(address)!);
          const addresses = shard.endpoints.map((e) =>
            addressOf(e.organization.slug, e.server.slug, e.deployment),
          );
          for (const address of known) if (!addresses.includes(address)) endpoints.delete(address);
          shard.endpoints.forEach((endpoint, index) => endpoints.set(addresses[index]!, endpoint));
          if (addresses.length > 0) addressesOf.set(shard.subject, addresses);
          else addressesOf.delete(shard.subject);
          tell({ kind: "server", subject: shard.subject, before, after: shard.endpoints });
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
          for (const [id, { expiresAt }] of sessions) {
            if (expiresAt > now()) break;
            forget(id);
          }
          const { subject, session: state, expiresAt, holder } = shard;
          // At the end again: the first are those that expire first.
          forget(subject);
          sessions.set(subject, { state, expiresAt, holder });
          if (holder !== undefined) keptSessions.keep(subject, holder, expiresAt);
          tell({ kind: "session", subject: shard.subject });
          return;
        }
      }
    },
  };
}

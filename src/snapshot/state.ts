import type { Principal } from "../policy/decide.ts";
import type { Endpoint, KeyEntry, Snapshot } from "./snapshot.ts";

/** One shard, compiled anew; it replaces the shard of the same kind and subject. */
export type Shard =
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
  | { readonly kind: "session"; readonly subject: string; readonly expiresAt: number };

export interface SnapshotState extends Snapshot {
  apply(shard: Shard): void;
  /** How many endpoints there are, for the start-up message. */
  readonly endpointCount: number;
}

/** The snapshot in shards: what a gateway decides by, all of it in memory. */
export function createSnapshot(now: () => number): SnapshotState {
  const endpoints = new Map<string, Endpoint>();
  const pathsOf = new Map<string, readonly string[]>();
  const keys = new Map<string, KeyEntry>();
  const hashOf = new Map<string, string>();
  const principals = new Map<string, Principal>();
  const ended = new Map<string, number>();

  return {
    endpoint: (organization, server, deployment) => endpoints.get(`${organization}/${server}@${deployment}`),
    key: (hash) => keys.get(hash),
    principal: (organization, id) => principals.get(`${organization}/${id}`),
    sessionEnded: (session) => ended.has(session),
    get endpointCount() {
      return endpoints.size;
    },
    apply(shard) {
      switch (shard.kind) {
        case "server": {
          const paths = shard.endpoints.map((e) => `${e.organization.slug}/${e.server.slug}@${e.deployment}`);
          for (const path of pathsOf.get(shard.subject) ?? [])
            if (!paths.includes(path)) endpoints.delete(path);
          shard.endpoints.forEach((endpoint, index) => endpoints.set(paths[index]!, endpoint));
          if (paths.length > 0) pathsOf.set(shard.subject, paths);
          else pathsOf.delete(shard.subject);
          return;
        }
        case "principal": {
          const name = `${shard.organization}/${shard.subject}`;
          if (shard.principal) principals.set(name, shard.principal);
          else principals.delete(name);
          return;
        }
        case "key": {
          const before = hashOf.get(shard.subject);
          if (before !== undefined && before !== shard.key?.hash) keys.delete(before);
          if (shard.key) {
            keys.set(shard.key.hash, shard.key);
            hashOf.set(shard.subject, shard.key.hash);
          } else hashOf.delete(shard.subject);
          return;
        }
        case "session": {
          for (const [id, expiresAt] of ended) {
            if (expiresAt > now()) break;
            ended.delete(id);
          }
          ended.set(shard.subject, shard.expiresAt);
          return;
        }
      }
    },
  };
}

import type { Era } from "../mcp/eras.ts";
import type { Capability, CapabilityKind } from "../mcp/manifest.ts";
import type { Endpoint } from "./snapshot.ts";

/** A capability was called in an era and refused that, as it needs the other one. */
export interface EraRefusal {
  readonly organization: string;
  readonly server: string;
  /** Whose code it was; see `codeOf`. */
  readonly code: string;
  readonly kind: CapabilityKind;
  /** Of the capability's definition, its name included. */
  readonly hash: string;
  readonly era: Era;
}

/** What code an endpoint serves, as far as that is known: the artifact of a hosted one; an external one has another id for another URL. */
export function codeOf({ id, upstream }: Pick<Endpoint, "id" | "upstream">): string {
  return upstream.kind === "hosted" ? upstream.target.artifact : id;
}

/** The endpoint with what refusals of its own code have taught of its capabilities; itself where that is nothing new. */
export function withRefusals(endpoint: Endpoint, refusals: readonly EraRefusal[]): Endpoint {
  const code = codeOf(endpoint);
  const taught = new Map<string, Set<Era>>();
  for (const { server, code: of, kind, hash, era } of refusals) {
    if (server !== endpoint.server.id || of !== code) continue;
    const name = `${kind} ${hash}`;
    const eras = taught.get(name);
    if (eras === undefined) taught.set(name, new Set([era]));
    else eras.add(era);
  }
  if (taught.size === 0) return endpoint;
  let isNew = false;
  const items = endpoint.manifest.items.map((item): Capability => {
    const before = item.refused ?? [];
    const refused = new Set([...before, ...(taught.get(`${item.kind} ${item.hash}`) ?? [])]);
    if (refused.size === before.length) return item;
    isNew = true;
    return { ...item, refused: [...refused] };
  });
  return isNew ? { ...endpoint, manifest: { ...endpoint.manifest, items } } : endpoint;
}

import type { Capability, CapabilityKind, Manifest } from "../mcp/manifest.ts";
import type { Exchange } from "./exchange.ts";

const indexes = new WeakMap<Manifest, Map<CapabilityKind, Map<string, Capability>>>();

/** The capability of a manifest by kind and name. */
export function capabilityOf(manifest: Manifest, kind: CapabilityKind, name: string): Capability | undefined {
  let kinds = indexes.get(manifest);
  if (kinds === undefined) {
    kinds = new Map();
    for (const item of manifest.items) {
      let names = kinds.get(item.kind);
      if (names === undefined) kinds.set(item.kind, (names = new Map()));
      names.set(item.name, item);
    }
    indexes.set(manifest, kinds);
  }
  return kinds.get(kind)?.get(name);
}

/** The capability that a request names; its definition's hash is noted into the record. */
export function noteCapability(x: Exchange, manifest: Manifest): Capability | undefined {
  const { capability_kind: kind, capability_name: name } = x.record;
  if (kind === null || name === null) return;
  const found = capabilityOf(manifest, kind as CapabilityKind, name);
  x.record.capability_hash = found?.hash ?? null;
  return found;
}

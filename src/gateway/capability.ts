import type { Capability, CapabilityKind, Manifest } from "../mcp/manifest.ts";
import type { Exchange } from "./exchange/exchange.ts";

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
  return found ?? (kind === "resource" ? templateFor(manifest, name) : undefined);
}

interface Template {
  readonly capability: Capability;
  /** What stands between its expressions (RFC 6570). */
  readonly literals: readonly string[];
}

const templates = new WeakMap<Manifest, readonly Template[]>();

/** The first template that a URI can be of, whatever its variables may hold. */
function templateFor(manifest: Manifest, uri: string): Capability | undefined {
  let all = templates.get(manifest);
  if (all === undefined) {
    all = manifest.items
      .filter((item) => item.kind === "resource_template")
      .map((capability) => ({ capability, literals: capability.name.split(/\{[^{}]*\}/) }));
    templates.set(manifest, all);
  }
  return all.find(({ literals }) => fits(uri, literals))?.capability;
}

function fits(uri: string, literals: readonly string[]): boolean {
  const first = literals[0]!;
  const last = literals.length > 1 ? literals.at(-1)! : "";
  if (literals.length === 1) return uri === first;
  if (!uri.startsWith(first) || !uri.endsWith(last)) return false;
  let at = first.length;
  for (const literal of literals.slice(1, -1)) {
    at = uri.indexOf(literal, at);
    if (at < 0) return false;
    at += literal.length;
  }
  return at <= uri.length - last.length;
}

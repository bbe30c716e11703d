import { lookup as systemLookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { type AddressKind, addressKind, canonicalAddress } from "./address.ts";

/** A host, as a URL has it, and a TCP port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface GuardOptions {
  /** What an organization's admins let through although it is private: exactly this host at this port. */
  allow(organization: string): Iterable<HostPort>;
  /** Our own listeners: never reachable, whatever is allowed. */
  own(): Iterable<HostPort>;
  /** Hosts that pass as this machine resolves them (package indexes), metadata and own listeners excepted. */
  trustedHosts(): Iterable<string>;
  /** How names become addresses; the machine's resolver where absent. */
  resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}

/** A connection that the guard does not let happen. */
export class GuardRefused extends Error {
  override readonly name = "GuardRefused";
  readonly host: string;
  readonly port: number;
  /** The address that stopped it; null when the host itself did. */
  readonly address: string | null;
  readonly why: "metadata" | "own_listener" | "private" | "loopback" | "reserved" | "invalid";

  constructor(host: string, port: number, address: string | null, why: GuardRefused["why"]) {
    super(sentence(host, port, address, why));
    this.host = host;
    this.port = port;
    this.address = address;
    this.why = why;
  }
}

/** Judges where one organization's outbound connections may go. */
export interface Guard {
  /** True when `host:port` stands on the organization's allow-list. */
  allows(organization: string, host: string, port: number): boolean;
  /**
   * The addresses that `host` may be dialled at; every answer of the resolver
   * must pass, so that none can be picked later. Throws GuardRefused, or the
   * resolver's error.
   */
  resolve(organization: string, host: string, port: number): Promise<readonly LookupAddress[]>;
  /** The `lookup` of one connection: it is the check, so a name cannot be resolved a second time differently. */
  lookup(organization: string, port: number): LookupFunction;
  /** Throws GuardRefused unless `address`, where a socket ended up, may be talked to as `host:port`. */
  verify(organization: string, host: string, port: number, address: string): void;
}

export function createGuard(options: GuardOptions): Guard {
  const resolveName = shared(options.resolve ?? resolveByMachine);

  const allows = (organization: string, host: string, port: number): boolean => {
    const name = canonicalHost(host);
    for (const entry of options.allow(organization)) {
      if (entry.port === port && canonicalHost(entry.host) === name) return true;
    }
    return false;
  };

  const verify = (organization: string, host: string, port: number, address: string): void => {
    const kind = addressKind(address);
    if (kind === "metadata") throw new GuardRefused(host, port, address, "metadata");
    if (isOwn(options.own(), host, address, kind, port))
      throw new GuardRefused(host, port, address, "own_listener");
    if (kind === "public") return;
    if (allows(organization, host, port)) return;
    const name = canonicalHost(host);
    for (const trusted of options.trustedHosts()) {
      if (canonicalHost(trusted) === name) return;
    }
    throw new GuardRefused(host, port, address, kind);
  };

  const resolve = async (
    organization: string,
    host: string,
    port: number,
  ): Promise<readonly LookupAddress[]> => {
    const name = canonicalHost(host);
    if (!name || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new GuardRefused(host, port, null, "invalid");
    }
    const family = isIP(name);
    const answers = family ? [{ address: name, family }] : await resolveName(name);
    if (answers.length === 0) throw Object.assign(new Error(`${name} has no address`), { code: "ENOTFOUND" });
    for (const answer of answers) verify(organization, name, port, answer.address);
    return answers;
  };

  const lookup =
    (organization: string, port: number): LookupFunction =>
    (host, lookupOptions, done) => {
      resolve(organization, host, port).then(
        (answers) => {
          const family = lookupOptions.family === 4 || lookupOptions.family === 6 ? lookupOptions.family : 0;
          const fitting = family ? answers.filter((answer) => answer.family === family) : answers;
          const first = fitting[0];
          if (!first)
            done(Object.assign(new Error(`${host} has no such address`), { code: "ENOTFOUND" }), "", 0);
          else if (lookupOptions.all) done(null, [...fitting]);
          else done(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => done(error, "", 0),
      );
    };

  return { allows, resolve, lookup, verify };
}

/**
 * A host as one text whatever its spelling: no brackets, lower case, no
 * trailing dot, and numbers (2130706433, 0x7f.1, 0177.0.0.1) as the address
 * they are (WHATWG URL, "IPv4 parser"). Undefined when it cannot be a host.
 */
export function canonicalHost(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const address = canonicalAddress(bare);
  if (address !== undefined) return address;
  if (!/^[A-Za-z0-9._-]+$/.test(bare)) return undefined;
  try {
    const { hostname } = new URL(`http://${bare}/`);
    return hostname.replace(/\.$/, "") || undefined;
  } catch {
    return undefined;
  }
}

/** Small resolvers drop questions when fifty downloads ask for one name at once; they share one answer. */
const SHARE_MS = 5000;

function shared(
  resolve: (host: string) => Promise<readonly LookupAddress[]>,
): (host: string) => Promise<readonly LookupAddress[]> {
  const asked = new Map<
    string,
    { readonly at: number; readonly answers: Promise<readonly LookupAddress[]> }
  >();
  return (host) => {
    const now = performance.now();
    for (const [name, { at }] of asked) {
      if (now - at <= SHARE_MS) break;
      asked.delete(name);
    }
    const known = asked.get(host);
    if (known) return known.answers;
    const answers = resolve(host);
    asked.set(host, { at: now, answers });
    answers.catch(() => asked.delete(host));
    return answers;
  };
}

function resolveByMachine(host: string): Promise<LookupAddress[]> {
  return new Promise((done, fail) => {
    systemLookup(host, { all: true }, (error, answers) => (error ? fail(error) : done(answers)));
  });
}

function isOwn(
  own: Iterable<HostPort>,
  host: string,
  address: string,
  kind: AddressKind,
  port: number,
): boolean {
  for (const listener of own) {
    if (listener.port !== port) continue;
    // Known by its name, whatever that resolves to.
    if (canonicalHost(listener.host) === canonicalHost(host)) return true;
    if (kind === "loopback" || canonicalHost(listener.host) === canonicalAddress(address)) return true;
    // A listener on loopback only is not reached through another interface, but the rule stays simple.
    if (localAddresses().has(canonicalAddress(address) ?? "")) return true;
  }
  return false;
}

function localAddresses(): Set<string> {
  const found = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) found.add(canonicalAddress(address) ?? address);
  }
  return found;
}

function sentence(host: string, port: number, address: string | null, why: GuardRefused["why"]): string {
  const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const target = address === null || address === host ? place : `${place} (${address})`;
  switch (why) {
    case "metadata":
      return `${target} is a cloud metadata service; it is never reachable from here.`;
    case "own_listener":
      return `${target} is this platform's own listener; it is never reachable from here.`;
    case "invalid":
      return `${place} is not a host and port that can be dialled.`;
    default:
      return (
        `${target} is a ${why} address, and connections go to public addresses only. ` +
        `An admin of the organization can let exactly ${place} through with --allow-private.`
      );
  }
}

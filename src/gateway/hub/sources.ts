import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import type { Principal } from "../../policy/decide.ts";
import { eraFor } from "../era.ts";
import { upstreamKey } from "../exchange/leases.ts";
import type { OpenSession } from "../sessions/session.ts";
import type { UpstreamSessions } from "../sessions/upstream-sessions.ts";
import { type Filter, isSame } from "./filter.ts";
import { ListenSource } from "./listen-source.ts";
import type { Listener } from "./listener.ts";
import { ListeningSession } from "./listening-session.ts";
import { SessionSource } from "./session-source.ts";
import type { Source, SourceServices } from "./source.ts";

export interface SourcesServices extends SourceServices {
  readonly upstreamSessions: Pick<UpstreamSessions, "spokenIn" | "idOf">;
}

/**
 * What upstreams tell, by whom they tell it to: one stream for each upstream and
 * principal, which listeners share, and one for each client session in which
 * its server may say anything.
 */
export class Sources {
  readonly #services: SourcesServices;
  readonly #shared = new Map<string, Source>();
  /** Principals as the snapshot had them, numbered: what an upstream is told of one may differ. */
  readonly #versions = new WeakMap<Principal, number>();
  #version = 0;

  constructor(services: SourcesServices) {
    this.#services = services;
  }

  /** How many streams are shared, for tests that count. */
  get size(): number {
    return this.#shared.size;
  }

  /**
   * Joins a listener to where its upstream's messages come from, or moves it
   * when that is another place now. Resolves when the upstream listens;
   * undefined where nothing has changed.
   */
  join(listener: Listener): Promise<void> | undefined {
    const filter = this.#told(listener);
    const isNew = !isSame(filter, listener.filter);
    listener.filter = filter;
    const key = this.#keyOf(listener);
    if (listener.source !== undefined && listener.sourceKey === key) {
      return isNew ? listener.source.refresh() : undefined;
    }
    const before = listener.source;
    const beforeKey = listener.sourceKey;
    const source = this.#shared.get(key) ?? this.#make(listener, key);
    listener.source = source;
    listener.sourceKey = key;
    if (before !== undefined) this.#part(listener, before, beforeKey);
    return source.join(listener);
  }

  leave(listener: Listener): void {
    const { source, sourceKey } = listener;
    listener.source = undefined;
    if (source !== undefined) this.#part(listener, source, sourceKey);
  }

  close(): void {
    for (const source of this.#shared.values()) source.close();
    this.#shared.clear();
  }

  #part(listener: Listener, source: Source, key: string): void {
    source.leave(listener);
    if (!source.empty) return;
    source.close();
    if (this.#shared.get(key) === source) this.#shared.delete(key);
  }

  #make(listener: Listener, key: string): Source {
    const { endpoint, principal } = listener;
    const session = ownSession(listener);
    const audience = { endpoint, principal };
    const services = this.#services;
    if (eraFor(endpoint, listener.era) === "stateless") {
      return this.#share(key, new ListenSource(services, audience));
    }
    if (session === undefined) {
      return this.#share(
        key,
        new SessionSource(services, audience, new ListeningSession(services, audience)),
      );
    }
    const { upstreamSessions } = services;
    return new SessionSource(services, audience, {
      whole: true,
      spoken: () => upstreamSessions.spokenIn({ endpoint }, session),
    });
  }

  #share(key: string, source: Source): Source {
    this.#shared.set(key, source);
    return source;
  }

  #keyOf(listener: Listener): string {
    const { endpoint, principal, era } = listener;
    const spoken = eraFor(endpoint, era);
    const parts = [spoken, upstreamKey(endpoint.upstream), this.#versionOf(principal)];
    const own = spoken === "handshake" ? ownSession(listener) : undefined;
    if (own === undefined) return JSON.stringify(parts);
    const id = endpoint.upstream.kind === "external" ? this.#services.upstreamSessions.idOf(own) : "";
    return JSON.stringify([...parts, own.claims.sid, id]);
  }

  #versionOf(principal: Principal): number {
    let version = this.#versions.get(principal);
    if (version === undefined) this.#versions.set(principal, (version = ++this.#version));
    return version;
  }

  /** What its upstream itself says that it tells; changes of lists that it does not tell come from the gateway alone. */
  #told({ endpoint, asked }: Listener): Filter {
    const { capabilities } = endpoint.manifest;
    return { ...asked, lists: new Set([...asked.lists].filter((kind) => announced(capabilities, kind))) };
  }
}

/**
 * The session in which its upstream may say anything to it. Who may not read
 * has none, and hears of lists where all who listen do.
 */
function ownSession({ session, reads }: Listener): OpenSession | undefined {
  return reads ? session : undefined;
}

function announced(capabilities: JsonObject, kind: string): boolean {
  const given = capabilities[kind];
  return isObject(given) && given["listChanged"] === true;
}

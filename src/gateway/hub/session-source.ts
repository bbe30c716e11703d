import { newId } from "../../lib/ids.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { ask } from "../../upstream/client.ts";
import { type Spoken, standingHeaders } from "../exchange/credential.ts";
import type { Held } from "../exchange/leases.ts";
import { Attachment, type Purpose } from "./attachment.ts";
import { changedList, type Filter, passes } from "./filter.ts";
import type { Standing } from "./link.ts";
import type { Audience, Member, Source, SourceServices } from "./source.ts";

/** A session at an upstream of the handshake era. */
export interface SessionWords {
  /** Whether it is a client's own: then all that its upstream says is for that client. */
  readonly whole: boolean;
  /** In which words its requests go upstream now. */
  spoken(): Spoken;
  /** Called before each stream, where the session must be opened first. Rejects where it cannot be had. */
  open?(held: Held): Promise<void>;
  /** Nobody listens in it any more. */
  close?(): void;
}

const ASK_MS = 30_000;

/** What an upstream was told of subscriptions, in one session at one instance. */
interface Subscribed {
  readonly held: Held;
  readonly session: string | undefined;
  readonly uris: Set<string>;
  readonly refused: Set<string>;
}

/**
 * The stream on which an upstream of the handshake era speaks first (2025-11-25,
 * basic/transports): GET within one session, and the resources that the
 * session is subscribed to, told to an instance anew when it is another one.
 */
export class SessionSource implements Source, Purpose {
  readonly #services: SourceServices;
  readonly #audience: Audience;
  readonly #words: SessionWords;
  readonly #attachment: Attachment;
  readonly #members = new Set<Member>();
  /** What the upstream was subscribed to for it, and where. */
  #subscribed: Subscribed | undefined;

  constructor(services: SourceServices, audience: Audience, words: SessionWords) {
    this.#services = services;
    this.#audience = audience;
    this.#words = words;
    const { leases, limits } = services;
    this.#attachment = new Attachment(leases, audience.endpoint.upstream, limits.messageBytes, this);
  }

  get empty(): boolean {
    return this.#members.size === 0;
  }

  get wanted(): boolean {
    if (this.#words.whole) return !this.empty;
    for (const { filter } of this.#members) if (filter.lists.size + filter.uris.size > 0) return true;
    return false;
  }

  /** Told of a resource, a client counts on it; told of a list, it is content with what a running server says. */
  get uses(): boolean {
    for (const { filter } of this.#members) if (filter.uris.size > 0) return true;
    return false;
  }

  join(member: Member): Promise<void> {
    this.#members.add(member);
    return this.refresh();
  }

  async refresh(): Promise<void> {
    const held = this.#attachment.on;
    if (held === undefined || !this.wanted) return this.#attachment.renew();
    await this.#attachment.reconsider();
    await this.#subscribe(held);
  }

  leave(member: Member): void {
    if (this.#members.delete(member) && !this.empty) void this.refresh().catch(() => {});
  }

  granted(filter: Filter): Filter {
    const refused = this.#subscribed?.refused;
    if (refused === undefined || refused.size === 0) return filter;
    return { ...filter, uris: new Set([...filter.uris].filter((uri) => !refused.has(uri))) };
  }

  close(): void {
    this.#attachment.close();
    this.#words.close?.();
  }

  request(held: Held, lastEvent: string | undefined): Standing | Promise<Standing> {
    // Where it was another session or instance, its ids mean nothing.
    const resumes = lastEvent !== undefined && this.#subscribed?.held === held && !this.#words.open;
    const standing = (): Standing => {
      const headers = this.#headers();
      return { method: "GET", headers: resumes ? [...headers, "last-event-id", lastEvent] : headers };
    };
    return this.#words.open === undefined ? standing() : this.#words.open(held).then(standing);
  }

  opened(held: Held): Promise<void> {
    return this.#subscribe(held);
  }

  message(message: JsonObject): boolean {
    if (changedList(message) !== undefined) this.#services.changed(this.#audience.endpoint);
    if (typeof message["method"] !== "string") return false;
    if (!this.#words.whole && "id" in message) {
      this.#answer(message);
      return false;
    }
    for (const member of this.#members) {
      if (this.#words.whole || passes(member.filter, message)) member.tell(message);
    }
    return false;
  }

  /** Tells the upstream which resources the session is subscribed to, where it does not know it. */
  async #subscribe(held: Held): Promise<void> {
    const wanted = new Set<string>();
    for (const { filter } of this.#members) for (const uri of filter.uris) wanted.add(uri);
    const spoken = this.#words.spoken();
    const fresh = this.#subscribed?.held !== held || this.#subscribed.session !== spoken.session;
    if (fresh) {
      this.#subscribed = { held, session: spoken.session, uris: new Set(), refused: new Set() };
    }
    const { uris, refused } = this.#subscribed!;
    const missing = [...wanted].filter((uri) => !uris.has(uri));
    const rest = [...uris].filter((uri) => !wanted.has(uri));
    for (const uri of missing) uris.add(uri);
    for (const uri of rest) uris.delete(uri);
    const subscribe = async (uri: string) => {
      const answer = await this.#ask(held, "resources/subscribe", { uri });
      if (answer?.["error"] === undefined) refused.delete(uri);
      else refused.add(uri);
    };
    // A client's own session says both by itself, save where the upstream's side of it is new: said once more, a
    // subscription could arrive after its end.
    const byItself = this.#words.whole;
    await Promise.all([
      ...(byItself && !fresh ? [] : missing.map(subscribe)),
      ...(byItself ? [] : rest.map((uri) => this.#ask(held, "resources/unsubscribe", { uri }))),
    ]);
  }

  /** A server may ask whether somebody is there; of the gateway it can ask nothing else. */
  #answer(message: JsonObject): void {
    const held = this.#attachment.on;
    if (held === undefined) return;
    const answer =
      message["method"] === "ping"
        ? { result: {} }
        : { error: { code: codes.methodNotFound, message: "This session only listens." } };
    void this.#post(held, { jsonrpc: "2.0", id: message["id"], ...answer });
  }

  #ask(held: Held, method: string, params: JsonObject): Promise<JsonObject | undefined> {
    return this.#post(held, { jsonrpc: "2.0", id: newId("req"), method, params });
  }

  async #post(held: Held, message: JsonObject): Promise<JsonObject | undefined> {
    try {
      const list = this.#headers();
      const headers: Record<string, string> = {};
      for (let i = 0; i < list.length; i += 2) headers[list[i]!] = list[i + 1]!;
      const answer = await ask(held.dial, message, headers, {
        signal: AbortSignal.timeout(ASK_MS),
        maxBytes: this.#services.limits.messageBytes,
      });
      return answer.response;
    } catch {
      // The next stream says it again.
      return;
    }
  }

  #headers(): string[] {
    const { endpoint, principal } = this.#audience;
    return standingHeaders(endpoint, principal, this.#services.credentials, this.#words.spoken());
  }
}

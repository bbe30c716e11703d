import { newId } from "../../lib/ids.ts";
import { isObject, type JsonObject, meta, metaOf } from "../../mcp/envelope.ts";
import { newestStateless } from "../../mcp/eras.ts";
import { tasksExtension } from "../../mcp/tasks.ts";
import { standingHeaders } from "../exchange/credential.ts";
import { Attachment, type Purpose } from "./attachment.ts";
import { changedList, type Filter, filterObject, isSame, passes, union } from "./filter.ts";
import type { Standing } from "./link.ts";
import type { Audience, Member, Source, SourceServices } from "./source.ts";

/** The key of `_meta` that says to which stream a message belongs (2026-07-28, basic/patterns/subscriptions). */
export const SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";

/**
 * The one `subscriptions/listen` of the gateway's own at an upstream of the
 * stateless era for one principal: it asks for what all of its members want.
 */
export class ListenSource implements Source, Purpose {
  readonly #services: SourceServices;
  readonly #audience: Audience;
  readonly #attachment: Attachment;
  readonly #members = new Set<Member>();
  /** What was asked for last. */
  #asked: Filter = union([]);
  /** What of it the upstream acknowledged last. */
  #agreed: Pick<Filter, "uris" | "tasks"> | undefined;

  constructor(services: SourceServices, audience: Audience) {
    this.#services = services;
    this.#audience = audience;
    const { leases, limits } = services;
    this.#attachment = new Attachment(leases, audience.endpoint.upstream, limits.messageBytes, this);
  }

  get empty(): boolean {
    return this.#members.size === 0;
  }

  get wanted(): boolean {
    const { lists, uris, tasks } = this.#union();
    return lists.size + uris.size + tasks.size > 0;
  }

  /** Told of a resource, a client counts on it; told of a list, it is content with what a running server says. */
  get uses(): boolean {
    return this.#union().uris.size > 0;
  }

  join(member: Member): Promise<void> {
    this.#members.add(member);
    return this.refresh();
  }

  async refresh(): Promise<void> {
    if (this.#attachment.isDown || !isSame(this.#asked, this.#union())) return this.#attachment.renew();
    await this.#attachment.latest;
  }

  granted({ lists, uris, tasks }: Filter): Filter {
    // Before it has answered, what it announces is all there is to go by.
    const agreed = this.#agreed;
    if (agreed === undefined) return { lists, uris, tasks };
    return { lists, uris: among(agreed.uris, [...uris]), tasks: among(agreed.tasks, [...tasks]) };
  }

  leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    if (!this.empty) void this.refresh();
  }

  close(): void {
    this.#attachment.close();
  }

  request(): Standing {
    const { endpoint, principal } = this.#audience;
    this.#asked = this.#union();
    const extensions = this.#asked.tasks.size === 0 ? {} : { extensions: { [tasksExtension]: {} } };
    const spoken = { revision: newestStateless, session: newId("req"), stateless: true };
    return {
      method: "POST",
      headers: [
        ...standingHeaders(endpoint, principal, this.#services.credentials, spoken),
        "mcp-method",
        "subscriptions/listen",
      ],
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: "offing-listen",
        method: "subscriptions/listen",
        params: {
          _meta: {
            [meta.protocolVersion]: newestStateless,
            [meta.clientCapabilities]: extensions,
            [meta.clientInfo]: { name: "offing", version: "1" },
          },
          notifications: filterObject(this.#asked),
        },
      }),
    };
  }

  opened(): boolean {
    // Its first message says so.
    return false;
  }

  message(message: JsonObject): boolean {
    if (message["method"] === "notifications/subscriptions/acknowledged") {
      const params = isObject(message["params"]) ? message["params"] : {};
      const agreed = isObject(params["notifications"]) ? params["notifications"] : {};
      const { uris, tasks } = this.#asked;
      this.#agreed = {
        uris: among(uris, agreed["resourceSubscriptions"]),
        tasks: among(tasks, agreed["taskIds"]),
      };
      return true;
    }
    if (changedList(message) !== undefined) this.#services.changed(this.#audience.endpoint);
    for (const member of this.#members) {
      if (passes(member.filter, message)) member.tell(unmarked(message));
    }
    return false;
  }

  #union(): Filter {
    return union([...this.#members].map((member) => member.filter));
  }
}

/** Those of a list, however long, that a set holds. */
function among(set: ReadonlySet<string>, list: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(list) ? list.filter((each) => set.has(each)) : []);
}

/** The message without the mark of the gateway's own stream. */
function unmarked(message: JsonObject): JsonObject {
  const { params } = message;
  if (!isObject(params)) return message;
  const given = metaOf(params);
  if (given?.[SUBSCRIPTION_ID] === undefined) return message;
  const { [SUBSCRIPTION_ID]: _, ...kept } = given;
  const { _meta: __, ...rest } = params;
  return { ...message, params: Object.keys(kept).length === 0 ? rest : { ...rest, _meta: kept } };
}

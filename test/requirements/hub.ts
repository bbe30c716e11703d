import type { Requirement } from "./requirement.ts";

/** Of standing streams, of lists that stay true, and of updates of resources. */
export const hub: readonly Requirement[] = [
  {
    id: "hub.listen-updates",
    behaviour:
      "A stateless client that listens is told of updates of the resources it named and of no others, whatever era its server speaks.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: 'if (method === "notifications/resources/updated") return filter.uris.has(textOf(params["uri"]));',
      to: 'if (method === "notifications/resources/updated") return true;',
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.subscribe-window",
    behaviour:
      "A subscription that its upstream does not acknowledge is refused at the end of the request window; it is kept, and holds once the upstream tells.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/subscriptions.ts",
      from: "    x.begin(this, windowMs);",
      to: "    x.begin(this, Infinity);",
      test: "test/gateway/subscribing.test.ts",
    },
  },
  {
    id: "hub.subscribe-left",
    behaviour: "A client that leaves before its subscription is acknowledged leaves nothing under way.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/subscriptions.ts",
      from: "    this.#among?.delete(this);",
      to: "",
      test: "test/gateway/subscribing.test.ts",
    },
  },
  {
    id: "hub.listen-lists",
    behaviour: "A list that a server changes by itself is told to those who asked for that list.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: "if (list !== undefined) return filter.lists.has(list);",
      to: "if (list !== undefined) return true;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-marked",
    behaviour:
      "The acknowledgement is the first message, and each message bears the id of the client's own request with its type.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: "const _meta = { ...metaOf(params), [SUBSCRIPTION_ID]: this.#id };",
      to: "const _meta = { ...metaOf(params), [SUBSCRIPTION_ID]: String(this.#id) };",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-honoured",
    behaviour: "Only what the server can tell is acknowledged.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: "uris: tellsUpdates(manifest) && mayRead(endpoint, principal) ? filter.uris : none,",
      to: "uris: mayRead(endpoint, principal) ? filter.uris : none,",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-nothing-else",
    behaviour: "Progress and log messages never travel on a stream that listens.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: 'return method === "notifications/tasks" && filter.tasks.has(textOf(params["taskId"]));',
      to: "return true;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-judged",
    behaviour: "A filter that is none is refused with -32602.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: "if (!Array.isArray(uris) || !uris.every(isUri)) {",
      to: "if (!Array.isArray(uris)) {",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-result",
    behaviour: "When the gateway closes, a stream that listens ends with the result of its request.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: 'this.#out.end(JSON.stringify({ jsonrpc: "2.0", id: this.#id, result }));',
      to: "this.#out.end();",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.revoked-ends",
    behaviour: "A standing stream ends when its key is revoked.",
    section: "standing streams: revocation",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "proof === undefined ? listener.principal : tokens.verify(proof.token, proof.hash)?.principal;",
      to: "proof === undefined ? listener.principal : listener.principal;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-granted",
    behaviour:
      "What the upstream does not agree to is not acknowledged, and who may not read resources is told of none.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/listen-source.ts",
      from: "return { lists, uris: among(agreed.uris, [...uris]),",
      to: "return { lists, uris,",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.listen-held",
    behaviour: "What comes before the acknowledgement is told after it, as far as it fits a bound.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: "if (characters > WAITING_CHARACTERS) return;",
      to: "void WAITING_CHARACTERS;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.one-record",
    behaviour: "A standing stream leaves one record, when it ends.",
    section: "request records: standing streams",
    break: {
      file: "src/gateway/exchange/exchange.ts",
      from: "if (!this.#discarded) this.#records.write(this.record);",
      to: "if (!this.#discarded && !this.stands) this.#records.write(this.record);",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.session-updates",
    behaviour:
      "A handshake client is told of updates of the resources its session is subscribed to, whatever era its server speaks.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: "return new Set(may ? book.subscriptions(session) : []);",
      to: "return new Set(may ? [] : book.subscriptions(session));",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.session-first",
    behaviour:
      "What a server says first in a session, requests too, reaches the stream of that session alone and unchanged.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: "if (this.#words.whole || passes(member.filter, message)) member.tell(message);",
      to: "if (passes(member.filter, message)) member.tell(message);",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.session-level",
    behaviour: "Log messages below the level that a session set stay away from its stream.",
    section: "2025-11-25 server/utilities/logging",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: 'if (level !== undefined && keepLogs(level)(message).kind === "drop") return;',
      to: 'void keepLogs(level ?? "debug");',
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.one-per-session",
    behaviour: "A session has one standing stream, the newest, so that no message is told twice.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (before !== undefined) this.#end(before);",
      to: "void before;",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.standing-resumes",
    behaviour: "A client that lost its standing stream goes on with what it missed.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/hub/session-outlet.ts",
      from: "return this.stream.send(json, matters);",
      to: "return this.stream.connected && this.stream.send(json, matters);",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.standing-late",
    behaviour: "A client that comes back to its standing stream too late for what it missed gets a new one.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (at.request === null) return services.hub.stand(turn, session);",
      to: "void services.hub;",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.room-for-calls",
    behaviour: "However many clients listen, calls to their upstream find a connection.",
    section: "bounded: connections to one upstream",
    break: {
      file: "src/gateway/hub/attachment.ts",
      from: "if (!hasRoom(held)) return this.#later();",
      to: "void hasRoom;",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.standing-ends",
    behaviour:
      "A standing stream ends with its session: when that is ended, when it expires, when its key is revoked.",
    section: "standing streams: the end of a session",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "return this.#over(claims, server.id, this.#now()) !== undefined;",
      to: "return this.#over(claims, server.id, 0) !== undefined;",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.promotion-told",
    behaviour:
      "A promotion tells open streams of both eras which of their lists it changed, and of no others.",
    section: "2025-11-25 server/tools#list-changed-notification",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "    listener.compare();",
      to: "    void listener;",
      test: "test/gateway/list-changed.test.ts",
    },
  },
  {
    id: "hub.rollback-told",
    behaviour: "A definition that changes under its old name is told, and the old one's return too.",
    section: "2025-11-25 server/tools#list-changed-notification",
    break: {
      file: "src/gateway/hub/visible.ts",
      from: "const entries = items.map((item) => `${item.kind} ${item.hash} ${item.name}`).sort();",
      to: "const entries = items.map((item) => `${item.kind} ${item.name}`).sort();",
      test: "test/gateway/list-changed.test.ts",
    },
  },
  {
    id: "hub.equal-untold",
    behaviour: "A version whose lists are the same, in whatever order, tells nobody.",
    section: "2025-11-25 server/tools#list-changed-notification",
    break: {
      file: "src/gateway/hub/visible.ts",
      from: "const entries = items.map((item) => `${item.kind} ${item.hash} ${item.name}`).sort();",
      to: "const entries = items.map((item) => `${item.kind} ${item.hash} ${item.name}`);",
      test: "test/gateway/list-changed.test.ts",
    },
  },
  {
    id: "hub.access-ends",
    behaviour: "A principal that may not know of a server any more has its streams there ended.",
    section: "standing streams: lost access",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (endpoint?.id !== before.id || principal === undefined || !mayDiscover(endpoint, principal)) {",
      to: "if (endpoint?.id !== before.id || principal === undefined) {",
      test: "test/gateway/list-changed.test.ts",
    },
  },
  {
    id: "hub.announced",
    behaviour:
      "Changes of lists and updates of resources are announced where they are told, in each era and across them.",
    section: "2025-11-25 basic/lifecycle#capability-negotiation",
    break: {
      file: "src/mcp/translate.ts",
      from: "capabilities[name] = { ...Object.fromEntries(kept), ...(told.has(name) ? { listChanged: true } : {}) };",
      to: "capabilities[name] = Object.fromEntries(kept);",
      test: "test/gateway/list-changed.test.ts",
    },
  },
  {
    id: "hub.keep-alive",
    behaviour: "A standing stream at rest carries comments.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "if (now - out.wroteAt >= this.limits.keepAliveMs) out.comment();",
      to: "void out;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.viewer-lists",
    behaviour:
      "A session's stream whose caller may see but not call tells changes of lists and nothing else that the server says.",
    section: "standing streams: who is told what",
    break: {
      file: "src/gateway/hub/sources.ts",
      from: "return reads ? session : undefined;",
      to: "return session;",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.downgrade-leaves",
    behaviour: "A stream leaves its session at its upstream as soon as its caller may not call any more.",
    section: "standing streams: who is told what",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "listener.reads = mayRead(endpoint, principal);",
      to: "listener.reads ||= mayRead(endpoint, principal);",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.resumed-proof",
    behaviour: "A standing stream that is resumed stands as long as the key it was resumed with.",
    section: "standing streams: the end of a session",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "services.hub.resumed(turn, session, stream);",
      to: "void turn;",
      test: "test/gateway/updates.test.ts",
    },
  },
];

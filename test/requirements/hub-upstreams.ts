import type { Requirement } from "./requirement.ts";

/** Of the streams of the gateway's own at its upstreams, and of what the whole system tells. */
export const hubUpstreams: readonly Requirement[] = [
  {
    id: "hub.listen-pooled",
    behaviour:
      "Listeners of one principal share one stream upstream, as wide as all of them need; the last one to leave ends it.",
    section: "upstream streams: pooled by upstream and principal",
    break: {
      file: "src/gateway/hub/sources.ts",
      from: "const source = this.#shared.get(key) ?? this.#make(listener, key);",
      to: "const source = this.#make(listener, key);",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.rides-along",
    behaviour: "A stream that listens to lists wakes no instance; it attaches when a call has woken one.",
    section: "upstream streams: standing streams and idle instances",
    break: {
      file: "src/gateway/exchange/leases.ts",
      from: "for (const watcher of this.#watchers.get(key) ?? []) watcher(held);",
      to: "for (const watcher of this.#watchers.get(key) ?? []) void watcher;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.subscription-is-use",
    behaviour:
      "A subscription to a resource wakes an instance and keeps it awake; listening to lists does not.",
    section: "upstream streams: standing streams and idle instances",
    break: {
      file: "src/gateway/hub/attachment.ts",
      from: "this.#use(this.#purpose.uses ? held : undefined);",
      to: "this.#use(undefined);",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.attaches-again",
    behaviour: "A stream that its upstream breaks off is opened again behind the client's back.",
    section: "upstream streams: reconnection",
    break: {
      file: "src/gateway/hub/attachment.ts",
      from: "if (!barren) this.#later();",
      to: "void barren;",
      test: "test/gateway/listen.test.ts",
    },
  },
  {
    id: "hub.program-first",
    behaviour:
      "What a program on standard input and output says after its answers reaches the client whose session it is.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/runner/python/offing_runtime/bridge/child.py",
      from: "call = self._latest() or self._standing",
      to: "call = self._latest()",
      test: "test/gateway/bridged-streams.test.ts",
    },
  },
  {
    id: "hub.program-asks",
    behaviour: "A program on standard input and output may ask its client between calls.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/runner/python/offing_runtime/bridge/child.py",
      from: "        call = None if self._shared else self._latest() or self._standing",
      to: "        call = None if self._shared else self._latest()",
      test: "test/gateway/bridged-streams.test.ts",
    },
  },
  {
    id: "hub.leaves-nothing",
    behaviour: "Clients that listen and leave at any moment leave nothing behind, here or upstream.",
    section: "leaks: a thousand rounds",
    break: {
      file: "src/gateway/hub/sources.ts",
      from: "    if (this.#shared.get(key) === source) this.#shared.delete(key);",
      to: "    void key;",
      test: "test/gateway/standing-leaks.test.ts",
    },
  },
  {
    id: "hub.subscription-survives",
    behaviour: "A subscription of a session is told to the instance that takes the place of the first.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: "...(byItself && !fresh ? [] : missing.map(subscribe)),",
      to: "",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "hub.updates-beside",
    behaviour:
      "A handshake client of a server that tells updates in the stateless era only is promised them, and told.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/held-updates.ts",
      from: '  if (resources["subscribe"] === true) return;',
      to: '  if (resources["subscribe"] !== true) return;',
      test: "test/gateway/updates-beside.test.ts",
    },
  },
  {
    id: "hub.promotion-system",
    behaviour:
      "Promotion and rollback of a deployed server tell the clients whose lists differ, and no others.",
    section: "2025-11-25 server/tools#list-changed-notification",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "    listener.compare();",
      to: "    void listener;",
      test: "test/system/list-changed.test.ts",
    },
  },
  {
    id: "hub.equal-system",
    behaviour: "A promotion that changes no list tells nobody.",
    section: "2025-11-25 server/tools#list-changed-notification",
    break: {
      file: "src/gateway/hub/listener.ts",
      from: "if (this.#prints.get(kind) === print) continue;",
      to: "void print;",
      test: "test/system/list-changed.test.ts",
    },
  },
  {
    id: "hub.access-system",
    behaviour: "Removing a grant and revoking a key end the standing streams that stood by them.",
    section: "standing streams: lost access",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (endpoint?.id !== before.id || principal === undefined || !mayDiscover(endpoint, principal)) {",
      to: "if (endpoint?.id !== before.id || principal === undefined) {",
      test: "test/system/list-changed.test.ts",
    },
  },
  {
    id: "hub.subscription-kept",
    behaviour: "The subscriptions of a session outlive the program.",
    section: "sessions that survive: subscriptions",
    break: {
      file: "src/domain/changes/compile-session.ts",
      from: "...(row.subscriptions === null ? {} : { subscriptions: row.subscriptions }),",
      to: "",
      test: "test/system/list-changed.test.ts",
    },
  },
  {
    id: "hub.elsewhere-session",
    behaviour:
      "For stateless clients of a handshake server elsewhere the gateway listens in a session of its own, and ends it.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/hub/listening-session.ts",
      from: "if (opened !== undefined) void endSession(opened.held.dial, opened.session);",
      to: "void endSession;",
      test: "test/gateway/external-streams.test.ts",
    },
  },
  {
    id: "hub.elsewhere-again",
    behaviour:
      "A stream that a server elsewhere breaks off is opened again, and its subscriptions are said again.",
    section: "upstream streams: reconnection",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: "const fresh = this.#subscribed?.held !== held || this.#subscribed.session !== spoken.session;",
      to: "const fresh = this.#subscribed?.held !== held;",
      test: "test/gateway/external-streams.test.ts",
    },
  },
  {
    id: "hub.elsewhere-resumes",
    behaviour: "A session's own stream elsewhere goes on from its last event.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: 'return { method: "GET", headers: resumes ? [...headers, "last-event-id", lastEvent] : headers };',
      to: 'return { method: "GET", headers: resumes ? headers : headers };',
      test: "test/gateway/external-streams.test.ts",
    },
  },
  {
    id: "hub.elsewhere-late",
    behaviour: "A server that sends the head of its stream with the first event is heard all the same.",
    section: "upstream streams: late heads",
    break: {
      file: "src/gateway/hub/link.ts",
      from: "this.#late = setTimeout(() => this.#open(), OPEN_MS);",
      to: "this.#late = setTimeout(() => this.#isOpen, OPEN_MS);",
      test: "test/gateway/external-streams.test.ts",
    },
  },
  {
    id: "hub.elsewhere-asked",
    behaviour: "A server elsewhere that says that its lists have changed is asked anew what it offers.",
    section: "external servers: what was discovered",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: 'if (upstream.kind === "external") this.#services.leases.doubt(upstream);',
      to: "void upstream;",
      test: "test/gateway/external-streams.test.ts",
    },
  },
  {
    id: "hub.slow-session",
    behaviour: "A standing stream whose client does not read it is ended when 2 MiB wait.",
    section: "explicit limits: standing streams",
    break: {
      file: "src/gateway/streams/event-stream.ts",
      from: "if (!answers) return waiting > 0 && waiting + size > STANDING_BYTES + replayBytes;",
      to: "",
      test: "test/gateway/slow-listeners.test.ts",
    },
  },
  {
    id: "hub.slow-listener",
    behaviour: "A stream of subscriptions/listen whose client does not read it is ended when 2 MiB wait.",
    section: "explicit limits: standing streams",
    break: {
      file: "src/gateway/streams/event-stream.ts",
      from: 'const answers = !stands || record.transport === "sse";',
      to: "const answers = true || stands || record;",
      test: "test/gateway/slow-listeners.test.ts",
    },
  },
  {
    id: "hub.room-for-ears",
    behaviour: "Where a server has as many standing streams as it may, calls do without one of their own.",
    section: "explicit limits: standing streams",
    break: {
      file: "src/gateway/bridge/ear.ts",
      from: "if (signal.aborted || !hasRoom(given.held)) return;",
      to: "if (signal.aborted) return;",
      test: "test/gateway/hub-bounds.test.ts",
    },
  },
  {
    id: "hub.listen-bytes",
    behaviour: "The URIs that a stateless client listens to have 64 KiB at most in all.",
    section: "explicit limits",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: "if (bytesOf(uris) > SUBSCRIPTION_BYTES) {",
      to: "if (bytesOf(uris) < 0) {",
      test: "test/gateway/hub-bounds.test.ts",
    },
  },
  {
    id: "hub.subscribed-once",
    behaviour: "A resource that several listen to is subscribed to once, until none does.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: "const missing = [...wanted].filter((uri) => !uris.has(uri));",
      to: "const missing = [...wanted];",
      test: "test/gateway/hub-bounds.test.ts",
    },
  },
  {
    id: "hub.said-once",
    behaviour: "What a session says of its subscriptions by itself is not said for it once more.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/session-source.ts",
      from: "const byItself = this.#words.whole;",
      to: "const byItself = false;",
      test: "test/gateway/hub-bounds.test.ts",
    },
  },
  {
    id: "hub.no-uri",
    behaviour: "What a server says of a resource whose URI is none is told to nobody, and disturbs no call.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: 'return typeof value === "string" ? value : "";',
      to: "return String(value);",
      test: "test/gateway/hub-bounds.test.ts",
    },
  },
];

import type { Requirement } from "./requirement.ts";

const handshake = "2025-11-25 basic/transports#session-management";

const system = "test/system/sessions.test.ts";

/** What a session keeps, for how long, and who sees it. */
export const sessions: readonly Requirement[] = [
  {
    id: "sessions.listed",
    behaviour: "A session is listed with its principal, client, revision, state and times.",
    section: "product: sessions",
    break: {
      file: "src/domain/sessions/list.ts",
      from: 'if (row.ended_at !== null) return "ended" as const;',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.listed-to-whom",
    behaviour: "Who may not read a server's records sees only the own sessions.",
    section: "product: sessions",
    break: {
      file: "src/domain/sessions/list.ts",
      from: 'if (actor.kind !== "system" && !may(ctx, server, "logs")) query = query.where("s.principal", "=", actor.id);',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.last-seen",
    behaviour: "The time of a session's last use is known to the minute.",
    section: "product: sessions",
    break: {
      file: "src/domain/sessions/write-sessions.ts",
      from: "last_seen_at: sql<Date>`greatest(sessions.last_seen_at, excluded.last_seen_at)`,",
      to: "last_seen_at: sql<Date>`sessions.last_seen_at`,",
      test: system,
    },
  },
  {
    id: "sessions.rows",
    behaviour: "A session's use is told at most once a minute by one process.",
    section: "product: sessions",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "if (now - session.toldAt >= TELL_MS) this.#tell(endpoint, session);",
      to: "this.#tell(endpoint, session);",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.restart",
    behaviour: "A handshake client notices nothing of a restart of the whole program.",
    section: handshake,
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "const claims = this.#sessions.open(token);",
      to: "const claims: unknown = undefined;",
      test: system,
    },
  },
  {
    id: "sessions.instance-restart",
    behaviour: "A handshake client notices nothing of the end of the instance that held its session.",
    section: handshake,
    break: {
      file: "src/gateway/exchange/credential.ts",
      from: 'if (spoken.hello !== undefined) list.push("offing-session", spoken.hello);',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.level-survives",
    behaviour: "The log level that a session set holds after a restart.",
    section: "2025-11-25 server/utilities/logging#setting-log-level",
    break: {
      file: "src/domain/changes/compile-session.ts",
      from: 'eb("log_level", "is not", null),',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.level-published",
    behaviour: "The log level that a session set is known to every gateway process.",
    section: "2025-11-25 server/utilities/logging#setting-log-level",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "await this.#keep(endpoint, session, { level });",
      to: "",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.ended-survives",
    behaviour: "An ended session is refused after a restart too.",
    section: handshake,
    break: {
      file: "src/domain/changes/compile-session.ts",
      from: 'eb("ended_at", "is not", null),',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.end-forgets",
    behaviour: "Of a session that has ended, only that it has is kept.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/publish.ts",
      from: "...(news.ended === undefined ? {} : { log_level: null, upstream: null, subscriptions: null }),",
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.end-last",
    behaviour: "Nothing is published of a session any more once it has ended.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/publish.ts",
      from: '.where("sessions.ended_at", "is", null),',
      to: ",",
      test: system,
    },
  },
  {
    id: "sessions.end-upstream",
    behaviour: "The end of a session is told to the upstream session that took the place of a lost one.",
    section: handshake,
    break: {
      file: "src/gateway/conversation.ts",
      from: "this.#handshake.end(turn, spoken);",
      to: "this.#handshake.end(turn, this.#services.upstreamSessions.spokenIn(turn, session));",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "sessions.subscription-bytes",
    behaviour: "The URIs that a session is subscribed to have 64 KiB at most in all.",
    section: "explicit limits",
    break: {
      file: "src/gateway/hub/subscriptions.ts",
      from: "if (bytesOf(held) + Buffer.byteLength(uri) > SUBSCRIPTION_BYTES) {",
      to: "if (bytesOf(held) < 0) {",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.subscriptions-at-once",
    behaviour: "Subscriptions that come at a time take together no more than a session's room.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/publish.ts",
      from: "case when ${bytes} > ${SUBSCRIPTION_BYTES}",
      to: "case when ${bytes} > ${SUBSCRIPTION_BYTES} * 100",
      test: system,
    },
  },
  {
    id: "sessions.most-kept",
    behaviour:
      "A principal has 500 open sessions at a server of which gateways keep something; beyond, initialize is refused.",
    section: "explicit limits",
    break: {
      file: "src/gateway/conversation.ts",
      from: "this.#services.book.admit(turn);",
      to: "",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.kept-counted",
    behaviour:
      "A session of which something is published counts as its principal's until it ends or expires.",
    section: "explicit limits",
    break: {
      file: "src/domain/changes/compile-session.ts",
      from: "holder: isHandshake ? { server, principal } : undefined,",
      to: "holder: undefined,",
      test: system,
    },
  },
  {
    id: "sessions.forgotten",
    behaviour: "A session's row goes once the session has expired, and not before.",
    section: "product: sessions",
    break: {
      file: "src/domain/sessions/forget.ts",
      from: "where expires_at < ${now} limit",
      to: "where expires_at < ${now} and false limit",
      test: system,
    },
  },
  {
    id: "sessions.state-kept",
    behaviour: "What a FastMCP server keeps for a session is there after restarts and promotions.",
    section: "product: sessions that survive",
    break: {
      file: "src/main/artifacts.ts",
      from: "keepsState: hasSessionState(place.environment),",
      to: "keepsState: false,",
      test: system,
    },
  },
  {
    id: "sessions.keyed-state",
    behaviour:
      "What is kept for a session is found under the session that the gateway names, and under no other.",
    section: "product: virtual sessions",
    break: {
      file: "src/runner/python/offing_runtime/http/keyed.py",
      from: "return (request is not None and request.headers.get(HEADER)) or own.fget(self)",
      to: "return own.fget(self)",
      test: "test/runner/keyed-state.test.ts",
    },
  },
  {
    id: "sessions.keyed-without-valkey",
    behaviour:
      "Where there is no Valkey, the server's log says that its session state ends with the instance.",
    section: "product: virtual sessions",
    break: {
      file: "src/runner/python/offing_runtime/http/keyed.py",
      from: "        if not self._said:",
      to: "        if False:",
      test: "test/runner/keyed-state.test.ts",
    },
  },
  {
    id: "sessions.command-set",
    behaviour: "servers set takes the eras and on or off by name and prints the server.",
    section: "product: servers set",
    break: {
      file: "src/cli/commands/servers-set.ts",
      from: "...(upstreamEra === undefined ? {} : { upstreamEra }),",
      to: "",
      test: "test/cli/sessions.test.ts",
    },
  },
  {
    id: "sessions.command-list",
    behaviour: "sessions says what to do where there are none.",
    section: "product: sessions",
    break: {
      file: "src/cli/commands/sessions.ts",
      from: "--virtual-sessions on`,",
      to: "`,",
      test: "test/cli/sessions.test.ts",
    },
  },
  {
    id: "sessions.idle",
    behaviour: "A handshake session goes on for 24 hours after its last use, known to the hour.",
    section: "product: sessions",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "return state?.until ?? expires;",
      to: "return state === undefined ? expires : expires;",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.idle-rare",
    behaviour: "That a session is used is published once an hour at most.",
    section: "product: sessions",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "const STEP_MS = 60 * 60 * 1000;",
      to: "const STEP_MS = 60 * 1000;",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.idle-survives",
    behaviour: "That a session goes on is known after a restart, and is listed.",
    section: "product: sessions",
    break: {
      file: "src/domain/changes/compile-session.ts",
      from: 'eb("expires_at", ">", isExtendedAt),',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.idle-listening",
    behaviour: "Who only listens in a session uses it.",
    section: "product: sessions",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (session !== undefined) book.use(endpoint, session);",
      to: "",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "sessions.longest",
    behaviour: "A handshake session is over seven days after it began, however much it is used.",
    section: "product: sessions",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: "const LIFE_MS = 7 * 24 * 60 * 60 * 1000;",
      to: "const LIFE_MS = 70 * 24 * 60 * 60 * 1000;",
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.most-extended",
    behaviour:
      "Gateways keep of 2,000 sessions of a principal at a server that they go on; the others end a day after they began.",
    section: "explicit limits",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: '"extended") < MOST_EXTENDED;',
      to: '"extended") < Infinity;',
      test: "test/gateway/sessions.test.ts",
    },
  },
  {
    id: "sessions.rows-bounded",
    behaviour:
      "Of a principal's sessions at a server the thousand used last are listed, with all of which something is published.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/trim.ts",
      from: "await deleteBeyond(db, holder, plain, sql`last_seen_at desc`, MOST_LISTED);",
      to: "await deleteBeyond(db, holder, plain, sql`last_seen_at`, MOST_LISTED);",
      test: system,
    },
  },
  {
    id: "sessions.rows-trimmed",
    behaviour: "Rows that are too many go while they come.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/trim.ts",
      from: "if (count === LOOK_EVERY) await",
      to: "if (count < 0) await",
      test: system,
    },
  },
  {
    id: "sessions.ended-bounded",
    behaviour:
      "A principal that ends more sessions at a server than are kept has none of them back, after a restart too.",
    section: "explicit limits",
    break: {
      file: "src/snapshot/kept-sessions.ts",
      from: "this.#endedBefore.set(name, Math.max(began, this.#endedBefore.get(name) ?? 0));",
      to: "void began;",
      test: system,
    },
  },
  {
    id: "sessions.forgotten-steps",
    behaviour: "All that is over is deleted, a bounded number of rows at a time.",
    section: "explicit limits",
    break: {
      file: "src/domain/sessions/forget.ts",
      from: "if (numDeletedRows < STEP) return;",
      to: "if (numDeletedRows <= STEP) return;",
      test: system,
    },
  },
];

import type { Requirement } from "./requirement.ts";

const system = "test/system/virtual-sessions.test.ts";
const virtual = "test/gateway/virtual-sessions.test.ts";

/** The sessions of clients whose protocol has none. */
export const virtualSessions: readonly Requirement[] = [
  {
    id: "sessions.virtual-off",
    behaviour: "Two calls of a stateless client share nothing unless the server's owner wants it.",
    section: "product: virtual sessions",
    break: {
      file: "src/domain/changes/compile.ts",
      from: "virtualSessions: row.virtual_sessions,",
      to: "virtualSessions: true,",
      test: system,
    },
  },
  {
    id: "sessions.virtual-kept",
    behaviour: "A virtual session's state is there 23 hours later, over a restart of everything.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/exchange/credential.ts",
      from: 'if (x.virtual !== undefined) list.push("offing-virtual-session", x.virtual);',
      to: "",
      test: system,
    },
  },
  {
    id: "sessions.virtual-ends",
    behaviour: "A virtual session's state is gone 25 hours after it began.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: "if (state?.began === undefined || state.ended || state.began + LIFE_MS <= this.#now()) return;",
      to: "if (state?.began === undefined || state.ended) return;",
      test: system,
    },
  },
  {
    id: "sessions.virtual-own",
    behaviour: "A virtual session is never another principal's, whatever its client calls itself.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: "const key = JSON.stringify([organization.id, id, principalId(principal), envelope.clientName, named]);",
      to: "const key = JSON.stringify([organization.id, id, envelope.clientName, named]);",
      test: system,
    },
  },
  {
    id: "sessions.virtual-handle",
    behaviour: "A client has a virtual session for each handle that it gives.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: 'const named = typeof handle === "string" ? handle.slice(0, HANDLE_LENGTH) : null;',
      to: "const named = handle === HANDLE;",
      test: system,
    },
  },
  {
    id: "sessions.virtual-limit",
    behaviour: "A principal has at most a hundred virtual sessions at a server, and is told so.",
    section: "product: virtual sessions",
    break: {
      file: "src/domain/sessions/begin.ts",
      from: "if ((await countOthers(tx, row, now)) >= MOST_VIRTUAL) return false;",
      to: "void countOthers;",
      test: system,
    },
  },
  {
    id: "sessions.virtual-listed",
    behaviour: "Virtual sessions are listed with their kind.",
    section: "product: sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: 'kind: "virtual",',
      to: 'kind: "handshake",',
      test: system,
    },
  },
  {
    id: "virtual-sessions.stable",
    behaviour: "A principal's client has one virtual session, by one opaque id, at every gateway.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: 'upstreamId: hash("sha256", `upstream-session:${sid}:${startedAt}`).slice(0, 32),',
      to: 'upstreamId: hash("sha256", `${sid}:${Math.random()}`).slice(0, 32),',
      test: virtual,
    },
  },
  {
    id: "virtual-sessions.own",
    behaviour: "Another principal has another virtual session.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: "const key = JSON.stringify([organization.id, id, principalId(principal), envelope.clientName, named]);",
      to: "const key = JSON.stringify([organization.id, id, envelope.clientName, named]);",
      test: virtual,
    },
  },
  {
    id: "virtual-sessions.not-forged",
    behaviour: "No client's own header names a virtual session.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/exchange/credential.ts",
      from: 'const forwarded = ["traceparent",',
      to: 'const forwarded = ["offing-virtual-session", "traceparent",',
      test: virtual,
    },
  },
  {
    id: "virtual-sessions.ends",
    behaviour: "A virtual session ends 24 hours after it began, however much it is used.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/sessions/virtual-sessions.ts",
      from: "if (state?.began === undefined || state.ended || state.began + LIFE_MS <= this.#now()) return;",
      to: "if (state?.began === undefined || state.ended) return;",
      test: virtual,
    },
  },
  {
    id: "virtual-sessions.fail-closed",
    behaviour: "A call whose virtual session cannot be begun is refused, and its server does not see it.",
    section: "product: virtual sessions",
    break: {
      file: "src/gateway/conversation.ts",
      from: "(error: unknown) => x.refuse(error instanceof Refusal ? error : unbegun(error)),",
      to: "() => this.#sendStateless(turn, envelope, { era, state, virtual: undefined }),",
      test: virtual,
    },
  },
];

import type { Requirement } from "./requirement.ts";

const session = "src/gateway/bridge/handshake-call.ts";
const onStateless = "src/gateway/cells/handshake-on-stateless.ts";
const onHandshake = "src/gateway/cells/stateless-on-handshake.ts";
const parked = "test/gateway/parked.test.ts";
const life = "test/gateway/parked-life.test.ts";
const words = "test/gateway/bridge-handshake.test.ts";
const processes = "test/gateway/bridge-processes.test.ts";
const real = "test/gateway/bridge-stateless.test.ts";
const asking = "test/gateway/server-requests.test.ts";

/** A client of one era at a server of the other. */
export const bridges: readonly Requirement[] = [
  {
    id: "bridges.initialize",
    behaviour: "A session at a stateless server is opened from its manifest, without asking it.",
    section: "2025-11-25 basic/lifecycle#initialization",
    break: {
      file: onStateless,
      from: "const result = initializeResult(endpoint.manifest, revision);",
      to: "const result = {};",
      test: words,
    },
  },
  {
    id: "bridges.envelope",
    behaviour: "A handshake client's request goes up with the envelope and the headers of the stateless era.",
    section: "2026-07-28 basic/transports/streamable-http#request-metadata",
    break: {
      file: onStateless,
      from: "if (tool !== undefined) headers.push(...parameterHeaders(tool.definition, params));",
      to: "",
      test: words,
    },
  },
  {
    id: "bridges.log-level",
    behaviour: "A session's log level goes up with each of its requests.",
    section: "2026-07-28 server/utilities/logging",
    break: {
      file: onStateless,
      from: "level: logs ? level : undefined,",
      to: "level: undefined,",
      test: words,
    },
  },
  {
    id: "bridges.errors",
    behaviour: "Errors of a stateless server are told in the codes and words of the session's revision.",
    section: "2025-11-25 server/resources#error-handling",
    break: {
      file: session,
      from: 'return this.#respond({ jsonrpc: "2.0", id, error: handshakeError(this.#request, error) });',
      to: 'return this.#respond({ jsonrpc: "2.0", id, error });',
      test: words,
    },
  },
  {
    id: "bridges.server-requests",
    behaviour:
      "What a stateless server needs is asked of the client in requests on the stream of its call, and goes up with the retry.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: { file: session, from: "this.#state = requestState;", to: "", test: asking },
  },
  {
    id: "bridges.rounds-bounded",
    behaviour: "A stateless server may ask its client 16 times in one call, and no more.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: { file: session, from: "const ROUNDS = 16;", to: "const ROUNDS = 17;", test: asking },
  },
  {
    id: "bridges.undeclared-session",
    behaviour:
      "A client is asked for nothing that its session did not declare or its revision does not know.",
    section: "2025-11-25 client/elicitation#capabilities",
    break: {
      file: "src/gateway/bridge/input.ts",
      from: "if (needed !== undefined) {",
      to: "if (needed === null) {",
      test: asking,
    },
  },
  {
    id: "bridges.answers-bound",
    behaviour: "An answer is taken once, from the session that was asked.",
    section: "2025-11-25 basic/security_best_practices#session-hijacking",
    break: {
      file: "src/gateway/bridge/questions.ts",
      from: "if (open === undefined || open.session !== session) return false;",
      to: "if (open === undefined) return false;",
      test: asking,
    },
  },
  {
    id: "bridges.person-bounded",
    behaviour: "A person is waited for beyond the request window, and not without end.",
    section: "2025-11-25 basic/lifecycle#timeouts",
    break: {
      file: session,
      from: "this.#expiresAt = now + this.#bridge.services.limits.personMs;",
      to: "",
      test: asking,
    },
  },
  {
    id: "bridges.cancel-by-notification",
    behaviour: "A handshake client's notification cancels its call at a stateless server.",
    section: "2025-11-25 basic/utilities/cancellation",
    break: {
      file: "src/gateway/cells/handshake-on-stateless.ts",
      from: "const here = calls.cancel(session.claims.sid, requestId, why);",
      to: "const here = why !== undefined && calls !== undefined;",
      test: asking,
    },
  },
  {
    id: "bridges.leaving-is-not-cancel",
    behaviour: "A handshake client that leaves cancels nothing at a stateless server.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: session,
      from: "// Its answer is held for a client that comes back (2025-11-25, basic/transports).",
      to: 'this.cancel("left");',
      test: asking,
    },
  },
  {
    id: "bridges.retry-anywhere",
    behaviour: "Any gateway process takes a retry, and hands it to the one that holds the call.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: onHandshake,
      from: "if (state.holder !== services.peers.self) {",
      to: "if (state.holder === undefined) {",
      test: processes,
    },
  },
  {
    id: "bridges.holder-gone",
    behaviour: "A retry whose holder is gone is told to call again.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: { file: onHandshake, from: 'throw over("the holder is gone");', to: "return;", test: processes },
  },
  {
    id: "bridges.answer-anywhere",
    behaviour: "Any gateway process takes a handshake client's answer, and hands it to the one that asked.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: onStateless,
      from: "if (holder !== services.peers.self) {",
      to: 'if (holder === "") {',
      test: processes,
    },
  },
  {
    id: "bridges.cancel-anywhere",
    behaviour: "A handshake client's cancellation reaches its call in whatever gateway process.",
    section: "2025-11-25 basic/utilities/cancellation",
    break: { file: onStateless, from: "else if (!here) tellOthers(x, services);", to: "", test: processes },
  },
  {
    id: "bridges.real-servers",
    behaviour: "Tools of handshake servers that elicit, sample or list roots work from a stateless client.",
    section: "2026-07-28 basic/versioning",
    break: {
      file: onHandshake,
      from: "envelope.request.known.names === null || !isObject(given) ? {} : (askable(given) ?? {});",
      to: "{}; void isObject(given); void askable;",
      test: real,
    },
  },
  {
    id: "bridges.unrelated-requests",
    behaviour: "What an external server asks without saying in which call belongs to the only one there is.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/bridge/ear.ts",
      from: "return this.#members.size === 1 ? [...this.#members][0] : undefined;",
      to: "return undefined;",
      test: real,
    },
  },
  {
    id: "bridges.stream-resumed",
    behaviour: "A handshake server may end a call's stream before its response; it is asked for the rest.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/bridge/call.ts",
      from: "if (from === undefined || this.#held?.lost === true) return false;",
      to: "if (from !== null) return false;",
      test: life,
    },
  },
  {
    id: "bridges.lease-held",
    behaviour: "A call that waits keeps its instance, and lets go of it when it is over.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: "src/gateway/bridge/call.ts",
      from: "if (this.#held !== undefined) this.#leases.end(this.#held);",
      to: "",
      test: life,
    },
  },
  {
    id: "bridges.session-ends-calls",
    behaviour: "The end of a session ends its calls at a stateless server, in whatever gateway process.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: session,
      from: "if (this.#bridge.services.book.isOver(this.#session, this.#turn.endpoint)) return this.#sessionOver();",
      to: "",
      test: processes,
    },
  },
  {
    id: "bridges.long-answers",
    behaviour:
      "The translated answer to a stateless client becomes a stream that is kept alive when it takes long.",
    section: "2026-07-28 basic/transports/streamable-http#receiving-messages",
    break: {
      file: "src/gateway/bridge/stateless-answer.ts",
      from: "if (!this.#over && takesEvents(x)) this.#events = new EventStream(x, this.#streams);",
      to: "",
      test: parked,
    },
  },
  {
    id: "bridges.progress-grows",
    behaviour: "What a handshake client is told of a call's progress grows over all its rounds.",
    section: "2025-11-25 basic/utilities/progress#progress-flow",
    break: {
      file: "src/gateway/bridge/handshake-call.ts",
      from: "progress <= this.#progress) return false;",
      to: "progress <= -Infinity) return false;",
      test: "test/gateway/server-requests.test.ts",
    },
  },
  {
    id: "bridges.translated",
    behaviour: "A handshake server's result is completed for a stateless client, and -32002 becomes -32602.",
    section: "2026-07-28 changelog",
    break: {
      file: "src/mcp/translate.ts",
      from: '} else if (isObject(error) && error["code"] === codes.resourceNotFound) {',
      to: "} else if (false && isObject(error)) {",
      test: "test/mcp/fuzz.test.ts",
    },
  },
  {
    id: "bridges.schemas-verbatim",
    behaviour: "Schemas reach a handshake client word by word, with references that nobody followed.",
    section: "2026-07-28 server/tools",
    break: {
      file: "src/mcp/to-handshake.ts",
      from: "const { resultType: _, ttlMs: __, cacheScope: ___, _meta, ...all } = result;",
      to: "const { resultType: _, ttlMs: __, cacheScope: ___, tools: ____t, _meta, ...all } = result;",
      test: "test/gateway/bridge-handshake.test.ts",
    },
  },
];

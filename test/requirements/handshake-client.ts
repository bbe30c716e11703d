import type { Requirement } from "./requirement.ts";

/** What a client of the handshake revisions can rely on. */
export const handshakeClient: readonly Requirement[] = [
  {
    id: "handshake-client.prompt-answer",
    behaviour: "A response that is all of the answer passes as it came: JSON, or one event without an id.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/mcp/glance.ts",
      from: 'return match[1] === "method" ? "call" : "response";',
      to: 'return match[1] === "nothing" ? "response" : "call";',
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.event-ids",
    behaviour: "Events of an answer have ids that are unique within the session and name their stream.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/stream.ts",
      from: "id: `${this.name}.${this.#seq}`",
      to: "id: `${this.name}.1`",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.priming",
    behaviour:
      "A stream for a client of 2025-11-25 begins with an event of an id, without data, and with `retry`.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/stream.ts",
      from: "if (prime) out.prime",
      to: "if (!prime) out.prime",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.slow-answer",
    behaviour: "An answer that takes long becomes a stream that its client can come back to.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/reply.ts",
      from: "&& takesEvents(this.#x)) this.waitAnyway();",
      to: "&& !takesEvents(this.#x)) this.waitAnyway();",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.resume",
    behaviour:
      "A GET with Last-Event-ID goes on with that event's stream: what was missed, what is still to come, and the end.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/stream.ts",
      from: "if (at > seq && passes(json)) out.send(",
      to: "if (at > seq + 1 && passes(json)) out.send(",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.disconnect-keeps",
    behaviour: "A client that is disconnected has cancelled nothing.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/cells/handshake.ts",
      from: "cancelOnLeave: false",
      to: "cancelOnLeave: true",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.own-stream",
    behaviour: "A resumed stream never carries a message of another one.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "const stream = this.#streams.get(`${holder}.${name}`);",
      to: "const stream = [...this.#streams.values()].at(-1);",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.resume-own-session",
    behaviour: "An event of one session resumes nothing in another.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "return stream?.session === session ? stream : undefined;",
      to: "return stream;",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.resume-lost",
    behaviour:
      "A stream that is not held any more ends its request with one clear error, and not the session.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (at.request === null) return refusal;",
      to: "if (at.request !== null) return refusal;",
      test: "test/gateway/resume.test.ts",
    },
  },
  {
    id: "handshake-client.replay-bounded",
    behaviour: "What is held for a client that may come back is bounded; notifications are given up first.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "if (events > replayEvents || stream.bytes > replayBytes) return true;",
      to: "if (stream.bytes > replayBytes) return true;",
      test: "test/gateway/replay.test.ts",
    },
  },
  {
    id: "handshake-client.replay-shared",
    behaviour: "What is held for one principal is bounded, and pushes out nothing of another's.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "replayPrincipalBytes, ENDED_PRINCIPAL),",
      to: "Infinity, ENDED_PRINCIPAL),",
      test: "test/gateway/replay.test.ts",
    },
  },
  {
    id: "handshake-client.resume-sdk",
    behaviour: "A call of a real client survives the loss of its connection.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "  stream.resume(out, at.seq);",
      to: "x.answerEmpty(204);",
      test: "test/gateway/resume-sdk.test.ts",
    },
  },
  {
    id: "handshake-client.resume-anywhere",
    behaviour: "A stream is resumed through any process: its holder answers.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (handOver(turn, services, at.holder, gone)) return;",
      to: "void handOver;",
      test: "test/gateway/holders.test.ts",
    },
  },
  {
    id: "handshake-client.resume-holder-gone",
    behaviour: "A stream whose holder is gone ends its request with one clear error.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "x.id = at.request;",
      to: "x.id = null;",
      test: "test/gateway/holders.test.ts",
    },
  },
  {
    id: "handshake-client.upstream-polling",
    behaviour: "An upstream that lets a stream go before its response is asked to go on with it.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/exchange/ask-again.ts",
      from: 'list.push("accept", "text/event-stream", "last-event-id", this.#lastEventId);',
      to: 'list.push("accept", "text/event-stream");',
      test: "test/gateway/polling.test.ts",
    },
  },
  {
    id: "handshake-client.upstream-polling-sdk",
    behaviour: "A real server that polls in this way serves clients behind the gate.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "if (this.#asksAgain()) return;",
      to: "this.#asksAgain();",
      test: "test/gateway/polling.test.ts",
    },
  },
  {
    id: "handshake-client.upstream-unanswered",
    behaviour: "An event stream that ends without a response is an error, and no complete call.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/exchange/relay.ts",
      from: "if (!this.#counter.answered && x.id !== null) {",
      to: "if (!this.#counter.answered && x.id === null) {",
      test: "test/gateway/polling.test.ts",
    },
  },
  {
    id: "handshake-client.get-stream",
    behaviour: "A GET within a session opens the stream on which the server speaks first.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: 'if (typeof last !== "string" || last === "") return services.hub.stand(turn, session);',
      to: 'if (typeof last !== "string" || last === "") return x.answerEmpty(405);',
      test: "test/gateway/get-stream.test.ts",
    },
  },
  {
    id: "handshake-client.one-standing-stream",
    behaviour: "A session has one standing stream in a process; a second takes its place.",
    section: "2025-11-25 basic/transports#multiple-connections",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (before !== undefined) this.#end(before);",
      to: "void before;",
      test: "test/gateway/get-stream.test.ts",
    },
  },
  {
    id: "handshake-client.get-refused",
    behaviour: "A GET needs a session, a revision that is served, and a client that reads event streams.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "  judgeRevision(x);",
      to: "  void judgeRevision;",
      test: "test/gateway/get-stream.test.ts",
    },
  },
  {
    id: "handshake-client.keep-alive",
    behaviour: "A stream on which nothing happens carries comments.",
    section: "WHATWG HTML 9.2.7",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "out.comment();",
      to: "void out;",
      test: "test/gateway/get-stream.test.ts",
    },
  },
  {
    id: "handshake-client.delete",
    behaviour: "A DELETE ends its session, which is unknown from then on.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: "src/gateway/conversation.ts",
      from: "await book.end(turn, session);",
      to: "void book;",
      test: "test/gateway/get-stream.test.ts",
    },
  },
  {
    id: "handshake-client.streams-leak-nothing",
    behaviour:
      "Streams that are opened, lost, resumed and left leave no exchange, socket, timer or memory behind.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "this.#open.remove(out);",
      to: "void out;",
      test: "test/gateway/leaks.test.ts",
    },
  },
  {
    id: "handshake-client.session-missing",
    behaviour: "A request without a session id is refused with 400.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: 'if (typeof token !== "string") {',
      to: 'if (token === "missing") {',
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.session-unknown",
    behaviour: "A request of an unknown or ended session is answered 404.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: 'return new Refusal("session", 404, "This session is not known',
      to: 'return new Refusal("session", 400, "This session is not known',
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.session-bound",
    behaviour: "A session is its principal's alone.",
    section: "2025-11-25 basic/security_best_practices#session-hijacking",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: 'if (claims.principal !== principalId(principal)) throw ended("of another principal");',
      to: "void principalId(principal);",
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.version-absent",
    behaviour: "A request without a version header is taken for one of 2025-03-26.",
    section: "2025-11-25 basic/transports#protocol-version-header",
    break: {
      file: "src/gateway/admission/envelope.ts",
      from: 'const spoken = x.req.headers["mcp-protocol-version"] ?? unnamedHandshake;',
      to: 'const spoken = x.req.headers["mcp-protocol-version"] ?? "";',
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.version-unsupported",
    behaviour: "A version that is not served is refused with 400.",
    section: "2025-11-25 basic/transports#protocol-version-header",
    break: {
      file: "src/gateway/admission/envelope.ts",
      from: 'if (typeof spoken !== "string" || !isHandshakeRevision(spoken)) {',
      to: 'if (typeof spoken !== "string") {',
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.notes-accepted",
    behaviour: "Notifications and responses are accepted with 202 and no body.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/exchange/relay.ts",
      from: "x.answerEmpty(this.#status === 200 ? 200 : 202);",
      to: "x.answerEmpty(204);",
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled",
    behaviour: "A cancellation reaches the request that it names.",
    section: "2025-11-25 basic/utilities/cancellation",
    break: {
      file: "src/gateway/conversation.ts",
      from: "return this.#handshake.note(turn, session!, envelope.message);",
      to: "return turn.x.answerEmpty(202);",
      test: "test/gateway/handshake-client.test.ts",
    },
  },
  {
    id: "handshake-client.slow-reader",
    behaviour: "A client that does not read its stream is cut off, and may come back.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/event-stream.ts",
      from: "return waiting > messageBytes + replayBytes;",
      to: "return waiting > Infinity;",
      test: "test/gateway/replay.test.ts",
    },
  },
  {
    id: "handshake-client.upstream-let-go",
    behaviour: "An upstream that holds a stream open after its response is let go.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "if (this.#ticksAnswered < 2) return;",
      to: "if (this.#ticksAnswered > 0) return;",
      test: "test/gateway/polling.test.ts",
    },
  },
  {
    id: "handshake-client.keep-alive-passing",
    behaviour: "A stream that passes unread carries comments while it rests, never within an event.",
    section: "WHATWG HTML 9.2.7",
    break: {
      file: "src/gateway/exchange/relay.ts",
      from: "if (this.#rest.due(x) && this.#counter.between) x.res.write(keepAliveComment);",
      to: "if (this.#rest.due(x)) x.res.write(keepAliveComment);",
      test: "test/gateway/polling.test.ts",
    },
  },
  {
    id: "handshake-client.negotiation",
    behaviour: "A client that asks for an unknown revision is answered with the newest of the handshake era.",
    section: "2025-11-25 basic/lifecycle#version-negotiation",
    break: {
      file: "src/gateway/cells/handshake.ts",
      from: 'const revision = typeof asked === "string" && isHandshakeRevision(asked) ? asked : newestHandshake;',
      to: 'const revision = typeof asked === "string" ? asked : newestHandshake;',
      test: "test/gateway/sessions.test.ts",
    },
  },
];

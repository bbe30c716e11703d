import type { Requirement } from "./requirement.ts";

/** What a client of the older ways to send can rely on: HTTP+SSE, and batches. */
export const handshakeTransports: readonly Requirement[] = [
  {
    id: "handshake-client.http-sse",
    behaviour: "Clients of HTTP+SSE are served as well as any other.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/inner.ts",
      from: 'if (data !== "" && !this.#receiver.message(data, this)) this.#flowing = false;',
      to: 'if (data === "") this.#flowing = false;',
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-endpoint",
    behaviour: "The first event of HTTP+SSE tells where messages are posted.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: 'this.#out.sendAs("endpoint", posts);',
      to: 'this.#out.sendAs("message", posts);',
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-end",
    behaviour: "The end of an HTTP+SSE stream is the end of its session.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: "this.#onClosed();",
      to: "void this.#onClosed;",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-unheard",
    behaviour: "An HTTP+SSE stream on which its server cannot speak first does not stay.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: "if (res === this.#standing) this.#out?.end();",
      to: "if (res === this.#standing && res.status === 200) this.#out?.end();",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-refused",
    behaviour:
      "A refusal is told on the HTTP+SSE stream under its request's id, or at once where there is none.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: "res.status >= 400 && inner.id === null)",
      to: "res.status >= 600 && inner.id === null)",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-bound",
    behaviour: "Nobody but who opened an HTTP+SSE stream posts to it.",
    section: "2025-11-25 basic/security_best_practices#session-hijacking",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: "if (line === undefined || !line.isOf(turn)) throw",
      to: "if (line === undefined) throw",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-anywhere",
    behaviour: "A message for an HTTP+SSE stream may be posted to any process.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: 'if (handOver(turn, this.#services, holder, () => unknown("the holder is gone"))) return;',
      to: "void handOver;",
      test: "test/gateway/holders.test.ts",
    },
  },
  {
    id: "handshake-client.batch",
    behaviour: "A batch of 2025-03-26 is carried message by message, and answered with a JSON array.",
    section: "2025-03-26 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: '`[${this.#answers.join(",")}]`',
      to: '`${this.#answers.join(",")}`',
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.batch-judged",
    behaviour: "Each message of a batch is authorized by itself.",
    section: "2025-03-26 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/handler.ts",
      from: "if (needs !== undefined) authorize(",
      to: "if (needs !== undefined && !x.inner) authorize(",
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.batch-stream",
    behaviour: "A batch before whose responses something comes is answered with an event stream.",
    section: "2025-03-26 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: "this.#stream = streams.begin(this.#session, null, this.#needs);",
      to: "void this.#needs;",
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.batch-notes",
    behaviour: "A batch of notifications and responses is accepted with 202.",
    section: "2025-03-26 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: "x.answerEmpty(202);",
      to: "x.answerEmpty(200);",
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.batch-refused",
    behaviour: "A batch that is empty, too large, initializes or uses an id twice is refused whole.",
    section: "2025-03-26 basic/lifecycle#initialization",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: 'if (ids.has(value["id"])) throw',
      to: "if (ids.has(ids)) throw",
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.batch-revision",
    behaviour: "Batches are of 2025-03-26 and of no other revision.",
    section: "2025-06-18 changelog",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: "if (version === undefined || version === unnamedHandshake",
      to: "if (version !== null || version === unnamedHandshake",
      test: "test/gateway/batches.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-bounded",
    behaviour: "An answer that is too large for an HTTP+SSE stream is an error for its request alone.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/inner.ts",
      from: "if (!(error instanceof SseTooLarge)) throw error;",
      to: "if (error !== undefined) throw error;",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-standing",
    behaviour: "What a server says without being asked comes on the HTTP+SSE stream.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: 'this.#within.get(this.#turn, this.#request(this.#turn, "GET"), this.#standing);',
      to: "void this.#within.get;",
      test: "test/gateway/http-sse.test.ts",
    },
  },
  {
    id: "handshake-client.resume-right",
    behaviour:
      "What is held of a stream is given to who may still have it: of a call to who may call, of a standing stream only changes of lists to who may not.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (refusal !== undefined) return endWith(out, x, at, refusal);",
      to: "void refusal;",
      test: "test/gateway/access.test.ts",
    },
  },
  {
    id: "handshake-client.resumed-ends",
    behaviour:
      "A connection that carries the rest of an answer ends when the key that it came with is revoked.",
    section: "access: what lasts ends with its caller's access",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "x.begin(new Resumed(turn, at, out, services, stream.needs), Infinity);",
      to: "void Resumed;",
      test: "test/gateway/access.test.ts",
    },
  },
  {
    id: "handshake-client.replay-organization",
    behaviour: "What is held for one organization is bounded, and pushes out nothing of another's.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/streams/streams.ts",
      from: "replayOrganizationBytes, ENDED_ORGANIZATION),",
      to: "Infinity, ENDED_ORGANIZATION),",
      test: "test/gateway/replay.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-silent",
    behaviour:
      "A request that its client cancels, and that the gateway carries to a stateless server, gets no response: its answer is a stream that ends without one, and coming back to it brings none.",
    section: "2025-11-25 basic/utilities/cancellation#behavior-requirements",
    break: {
      file: "src/gateway/streams/reply.ts",
      from: "if (!this.streaming && !takesEvents(x)) return this.fail(refusal);",
      to: "if (refusal !== undefined) return this.fail(refusal);",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-there",
    behaviour:
      "A call that a handshake server ends without a response, since its client cancelled it by way of the same gateway process, ends silently and is no failure of the server.",
    section: "2025-11-25 basic/utilities/cancellation#behavior-requirements",
    break: {
      file: "src/gateway/streams/passing.ts",
      from: "    if (!this.#services.withdrawals.has(this.#x)) return noResponse();",
      to: "    if (!this.#answer.answered) return noResponse();",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-late",
    behaviour: "A response that a handshake server sends although the call was cancelled passes on.",
    section: "2025-11-25 basic/utilities/cancellation#timing-considerations",
    break: {
      file: "src/gateway/streams/passing.ts",
      from: "    if (this.#relay !== undefined) return this.#relay.data(chunk);",
      to: "    if (this.#services.withdrawals.has(this.#x)) return true;",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-own",
    behaviour: "A cancellation concerns the requests of its own session alone.",
    section: "2025-11-25 basic/utilities/cancellation#behavior-requirements",
    break: {
      file: "src/gateway/exchange/withdrawals.ts",
      from: "      if (x.id === id && x.record.session === session) this.#withdrawn.add(x);",
      to: '      if (x.id === id && session !== "") this.#withdrawn.add(x);',
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-json",
    behaviour: "A client that takes JSON alone gets an error for a request that it cancelled.",
    section: "2025-11-25 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/reply.ts",
      from: "if (!this.streaming && !takesEvents(x)) return this.fail(refusal);",
      to: "void takesEvents;",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-batch",
    behaviour: "A batch has no responses for those of its requests that were cancelled.",
    section: "2025-03-26 basic/transports#sending-messages-to-the-server",
    break: {
      file: "src/gateway/streams/batch.ts",
      from: "if (this.#requests > 0 && this.#answers.length === 0) this.#begin();",
      to: "",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.cancelled-sdk",
    behaviour: "Clients of the official SDKs that cancel a call notice nothing but that, and go on.",
    section: "2025-11-25 basic/utilities/cancellation#behavior-requirements",
    break: {
      file: "src/gateway/streams/stream.ts",
      from: "const whole = this.#resumed && (this.#answered || this.stands) && !out.abandoned;",
      to: "const whole = !out.abandoned;",
      test: "test/gateway/cancelled.test.ts",
    },
  },
  {
    id: "handshake-client.http-sse-words",
    behaviour: "A server's answer that is no response is told on the stream under the id of its request.",
    section: "2024-11-05 basic/transports#http-with-sse",
    break: {
      file: "src/gateway/streams/http-sse.ts",
      from: "if (asked !== null) return this.#out?.send(unanswered(asked, res.status)) ?? true;",
      to: "if (asked !== null) return true;",
      test: "test/gateway/http-sse.test.ts",
    },
  },
];

import type { Requirement } from "./requirement.ts";

const transport = "2024-11-05 basic/transports#http-with-sse";
const compatibility = "2025-11-25 basic/transports#backwards-compatibility";
const adapter = "src/upstream/http-sse/dispatcher.ts";
const line = "src/upstream/http-sse/line.ts";
const stream = "src/upstream/http-sse/stream.ts";
const unit = "test/upstream/http-sse.test.ts";
const real = "test/gateway/external-sse.test.ts";
const system = "test/system/register-sse.test.ts";

/** What holds for servers elsewhere that speak only HTTP+SSE. */
export const upstreamSse: readonly Requirement[] = [
  {
    id: "upstream.sse-register",
    behaviour:
      "A server that speaks only HTTP+SSE is registered by its URL, and clients of every revision call it.",
    section: compatibility,
    break: {
      file: "src/domain/changes/compile-external.ts",
      from: "        ...(manifest.transport === undefined ? {} : { transport: manifest.transport }),",
      to: "",
      test: system,
    },
  },
  {
    id: "upstream.sse-detected",
    behaviour:
      "A server that answers `initialize` with 400, 404 or 405 and whose GET begins with an `endpoint` event speaks HTTP+SSE.",
    section: compatibility,
    break: {
      file: "src/upstream/eras.ts",
      from: "  return status === 400 || status === 404 || status === 405;",
      to: "  return status === 400 || status === 404;",
      test: unit,
    },
  },
  {
    id: "upstream.sse",
    behaviour:
      "Clients of both eras call tools, get prompts and read resources of a server that speaks only HTTP+SSE.",
    section: transport,
    break: {
      file: line,
      from: "    reply.write(sseMessage(text));",
      to: "",
      test: real,
    },
  },
  {
    id: "upstream.sse-progress",
    behaviour: "Progress goes to the call whose token it names.",
    section: transport,
    break: {
      file: line,
      from: "      return calls.find((call) => call.token === token && token !== undefined)?.reply;",
      to: "      return;",
      test: real,
    },
  },
  {
    id: "upstream.sse-asks",
    behaviour: "What such a server asks while one call is under way is asked of that call's client.",
    section: transport,
    break: {
      file: line,
      from: "    if (recipient !== undefined) {",
      to: '    if (recipient !== undefined && message["id"] === undefined) {',
      test: real,
    },
  },
  {
    id: "upstream.sse-asks-beside",
    behaviour:
      "What such a server asks reaches who called, whatever other calls are under way, as far as the principal's held sessions suffice.",
    section: transport,
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "    if (free !== undefined) return free;",
      to: "",
      test: real,
    },
  },
  {
    id: "upstream.sse-together",
    behaviour: "Several calls at once on one stream are each answered with their own answer.",
    section: transport,
    break: {
      file: line,
      from: "    const call = this.#calls.get(key);",
      to: "    const call = [...this.#calls.values()][0];",
      test: real,
    },
  },
  {
    id: "upstream.sse-lists",
    behaviour: "Clients of both eras are told of a change of such a server's lists.",
    section: transport,
    break: {
      file: line,
      from: "    const ear = this.#ears.at(-1);",
      to: "    const ear = undefined as Reply | undefined;",
      test: real,
    },
  },
  {
    id: "upstream.sse-cancel",
    behaviour: "A call that its client cancels ends at such a server too, and the session goes on.",
    section: transport,
    break: {
      file: line,
      from: "      return this.#posts.send(post, posted);",
      to: "      return reply.whole(202);",
      test: real,
    },
  },
  {
    id: "upstream.sse-breaks",
    behaviour: "Where the stream breaks, each call under way ends with one error that says so.",
    section: transport,
    break: {
      file: line,
      from: "    for (const { reply } of this.#calls.values()) reply.fail(error);",
      to: "    for (const { reply } of this.#calls.values()) reply.end();",
      test: real,
    },
  },
  {
    id: "upstream.sse-holder",
    behaviour:
      "A handshake client's requests reach the process that holds its session's stream, whichever takes them.",
    section: transport,
    break: {
      file: "src/gateway/line-holder.ts",
      from: "  return handOver(turn, services, holder);",
      to: "  return false;",
      test: real,
    },
  },
  {
    id: "upstream.sse-reopened",
    behaviour:
      "A session whose stream is not held any more is opened anew, and the call that met it is made.",
    section: transport,
    break: {
      file: "src/gateway/exchange/external.ts",
      from: '  if (upstream.kind === "external" && upstream.transport === "sse") return true;',
      to: "  void upstream;",
      test: real,
    },
  },
  {
    id: "upstream.sse-origin",
    behaviour: "Messages are never posted to another origin than the stream's.",
    section: transport,
    break: {
      file: stream,
      from: "    if (url.origin !== this.#origin) {",
      to: "    if (!url) {",
      test: unit,
    },
  },
  {
    id: "upstream.sse-origin-words",
    behaviour:
      "A server whose `endpoint` event names another origin is refused in words when it is registered.",
    section: transport,
    break: {
      file: "src/upstream/eras.ts",
      from: "    older?.error ??",
      to: "",
      test: system,
    },
  },
  {
    id: "upstream.sse-verdict",
    behaviour:
      "That a server speaks HTTP+SSE is given up where it speaks another transport, and its clients begin anew.",
    section: compatibility,
    break: {
      file: adapter,
      from: "        reply.refuse(404, isId(given) ? given : null, codes.methodNotFound, error.message);",
      to: "        reply.refuse(404, isId(given) ? given : null, codes.internal, error.message);",
      test: system,
    },
  },
  {
    id: "upstream.sse-doubted",
    behaviour: "A server that takes no POST any more is asked anew at once, over HTTP+SSE too.",
    section: compatibility,
    break: {
      file: "src/gateway/exchange/era-watch.ts",
      from: "  if (status === 405) return true;",
      to: "",
      test: system,
    },
  },
  {
    id: "upstream.sse-unknown",
    behaviour: "A session whose stream is not open is 404, and nothing has been sent.",
    section: transport,
    break: {
      file: adapter,
      from: "    else if (line === undefined) unknown(reply);",
      to: "    else if (line === undefined) reply.whole(204);",
      test: unit,
    },
  },
  {
    id: "upstream.sse-unread",
    behaviour: "Messages pass a server's stream as they were written, in both directions.",
    section: transport,
    break: {
      file: line,
      from: "    reply.write(sseMessage(text));",
      to: "    reply.write(sseMessage(JSON.stringify(message)));",
      test: unit,
    },
  },
  {
    id: "upstream.sse-ids",
    behaviour: "A number and a text are different ids, and an id under way is not taken a second time.",
    section: "2025-11-25 basic#requests",
    break: {
      file: line,
      from: "    if (!isId(id) || this.#calls.has(key) || this.#calls.size >= CALLS_MOST) {",
      to: "    if (!isId(id) || this.#calls.size >= CALLS_MOST) {",
      test: unit,
    },
  },
  {
    id: "upstream.sse-unheard",
    behaviour:
      "What a server asks where nobody can be asked is answered: a ping, and the rest with an error.",
    section: transport,
    break: {
      file: line,
      from: '    } else if (message["id"] !== undefined) this.#unheard(message);',
      to: "    }",
      test: unit,
    },
  },
  {
    id: "upstream.sse-refused",
    behaviour:
      "A message that the server itself refuses with 404 is not said to be unsent, and its session is over.",
    section: transport,
    break: {
      file: line,
      from: "    if (!reply.begun) reply.refuse(lost ? 502 : status, null, codes.internal, words);",
      to: "    if (!reply.begun) reply.refuse(status, null, codes.internal, words);",
      test: unit,
    },
  },
  {
    id: "upstream.sse-bytes",
    behaviour: "One message of a stream is bounded in bytes.",
    section: transport,
    break: {
      file: stream,
      from: "const MESSAGE_BYTES = 16 * 1024 * 1024;",
      to: "const MESSAGE_BYTES = 1600 * 1024 * 1024;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-streams",
    behaviour: "One server gets a bounded number of streams.",
    section: transport,
    break: {
      file: adapter,
      from: "    if (this.#lines.size >= lines) {",
      to: "    if (lines < 0) {",
      test: unit,
    },
  },
  {
    id: "upstream.sse-replaced",
    behaviour: "A stream past the bound takes the place of the one that was idle for longest.",
    section: transport,
    break: {
      file: adapter,
      from: "    return spare.toSorted((a, b) => a.usedAt - b.usedAt)[0];",
      to: "    return;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-replaced-listened",
    behaviour: "Where no stream is idle, one that is listened to is replaced if it had no request for long.",
    section: transport,
    break: {
      file: adapter,
      from: "    const spare = idle.length > 0 ? idle : resting.filter((line) => line.usedAt < listenedSince);",
      to: "    const spare = listenedSince > 0 ? resting : idle;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-logs",
    behaviour:
      "What such a server logs while several calls are under way is told to none of them, but to who listens to the session.",
    section: transport,
    break: {
      file: line,
      from: "      return working.length === 1 ? working[0]!.reply : ear;",
      to: "      return working[0]?.reply ?? ear;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-logs-own",
    behaviour:
      "Calls of stateless clients that want log messages of such a server have those of their own call alone.",
    section: "2026-07-28 server/utilities/logging",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "    const alone = (asked || logs) && relatesNothing(turn);",
      to: "    const alone = asked && relatesNothing(turn);",
      test: real,
    },
  },
  {
    id: "upstream.sse-logs-bound",
    behaviour: "Past the bound of held sessions calls with the same capabilities share, and none is refused.",
    section: "Servers that run elsewhere: limits",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "    const most = this.#isFull(turn) ? PER_PRINCIPAL : 1;",
      to: "    const most = 1;",
      test: "test/gateway/held-sessions.test.ts",
    },
  },
  {
    id: "upstream.sse-idle",
    behaviour: "A stream on which nothing is under way is closed after its time.",
    section: transport,
    break: {
      file: line,
      from: "    return this.#calls.size === 0 && this.#ears.length === 0;",
      to: "    return true;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-let-go",
    behaviour: "A call that was cancelled and is never answered is let go.",
    section: "2025-11-25 basic/utilities/cancellation",
    break: {
      file: line,
      from: "    if (call !== undefined) call.cancelledAt = performance.now();",
      to: "    void call;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-left",
    behaviour: "A session for which nobody waits any more leaves no stream behind.",
    section: transport,
    break: {
      file: line,
      from: '      if (method === "initialize") this.close(new Error("Nobody waits for the session any more."));',
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-ended",
    behaviour: "A session that its client ends is ended at the server: its stream is closed.",
    section: transport,
    break: {
      file: adapter,
      from: '      line.close(new Error("The session has ended."));',
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-counted",
    behaviour:
      "A standing stream that another process serves counts as a stream of its caller, and as no request.",
    section: "2025-11-25 basic/transports#listening-for-messages-from-the-server",
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (!last) services.tallies.stand(x);",
      to: "",
      test: "test/gateway/external-sse.test.ts",
    },
  },
];

import type { Requirement } from "./requirement.ts";

/** Of pages as clients, and of limits. */
export const guards: readonly Requirement[] = [
  {
    id: "guards.browser",
    behaviour: "A page in a real browser calls an endpoint in both eras, and reads refusals.",
    section: "Fetch, 3.3 CORS protocol",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: '  "mcp-method",',
      to: '  "mcp-methods",',
      test: "test/web/mcp-client.test.ts",
    },
  },
  {
    id: "guards.preflight",
    behaviour: "A preflight is answered without a key, and lets every header of the protocol pass.",
    section: "Fetch, 3.3 CORS protocol",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: '  "last-event-id",',
      to: '  "last-event",',
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.preflight-bounded",
    behaviour: "A preflight lets no other header pass, and says nothing of what stands at a path.",
    section: "Fetch, 3.3 CORS protocol",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: ".filter((name) => sendable.has(name) || parameter.test(name));",
      to: ".filter((name) => name.length > 0);",
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.foreign-origin",
    behaviour: "What a page of a foreign origin sends is 403.",
    section: "2025-11-25 basic/transports#security-warning",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: "return URL.canParse(origin) && this.#own(new URL(origin).hostname);",
      to: "return URL.canParse(origin);",
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.allowed-origins",
    behaviour: "Origins that whoever runs the program let in may be clients.",
    section: "2025-11-25 basic/transports#security-warning",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: 'if (this.#allowed.has("*") || this.#allowed.has(origin)) return true;',
      to: 'if (this.#allowed.has("*")) return true;',
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.readable-errors",
    behaviour: "A page may read every refusal and the headers that it needs.",
    section: "Fetch, 3.3 CORS protocol",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: 'res.setHeader("access-control-expose-headers", exposed);',
      to: "void exposed;",
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.readable-streams",
    behaviour: "A page may read event streams, and nobody on the way buffers them.",
    section: "Fetch, 3.3 CORS protocol",
    break: {
      file: "src/gateway/exchange/events-head.ts",
      from: '"x-accel-buffering"',
      to: '"x-accel-buffered"',
      test: "test/gateway/cors.test.ts",
    },
  },
  {
    id: "guards.requests-most",
    behaviour:
      "A caller has so many requests under way at a time; one more is 429 with Retry-After and names the limit.",
    section: "explicit limits",
    break: {
      file: "src/gateway/admission/tally.ts",
      from: "if (tally.requests >= most) {",
      to: "if (tally.requests > most) {",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.shares",
    behaviour:
      "Of several gateway processes each admits its share of what one caller may have under way, and says so.",
    section: "explicit limits; workers",
    break: {
      file: "src/gateway/admission/tally.ts",
      from: "this.#requests = shareOf(limits.requestsPerPrincipal, limits.processes);",
      to: "this.#requests = limits.requestsPerPrincipal;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.streams-most",
    behaviour: "A caller has so many standing streams at a time, which are not counted as requests.",
    section: "explicit limits",
    break: {
      file: "src/gateway/admission/tally.ts",
      from: "    tally.requests--;",
      to: "    void tally;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.body",
    behaviour: "A body that is too large is 413, one that comes too slowly 408.",
    section: "explicit limits",
    break: {
      file: "src/gateway/admission/body.ts",
      from: 'new Refusal("limit", 408, `The request\'s body did not arrive within ${bodyTimeoutMs} ms.`, {',
      to: 'new Refusal("limit", 400, `The request\'s body did not arrive within ${bodyTimeoutMs} ms.`, {',
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.depth",
    behaviour: "JSON that nests too deeply is refused.",
    section: "explicit limits",
    break: {
      file: "src/mcp/envelope.ts",
      from: "if (++depth > limit) return -1;",
      to: "depth++;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.headers",
    behaviour: "Headers that are too large are 431, and what is no HTTP is 400, as JSON.",
    section: "explicit limits",
    break: {
      file: "src/main/listen.ts",
      from: 'server.on("clientError", answerClientError);',
      to: "void answerClientError;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.drain",
    behaviour:
      "While the program stops, what is under way ends as it should, what stands ends normally, and what is new is 503 with Retry-After.",
    section: "drain on shutdown",
    break: {
      file: "src/gateway/handler.ts",
      from: "if (closing) throw stopping();",
      to: "void stopping;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.rebinding",
    behaviour: "A local address is served under local names only.",
    section: "2025-11-25 basic/transports#security-warning",
    break: {
      file: "src/gateway/admission/browsers.ts",
      from: "if (!this.#local || host === this.#lastHost) return;",
      to: "return;",
      test: "test/gateway/guards.test.ts",
    },
  },
  {
    id: "guards.subscriptions-most",
    behaviour: "A session is subscribed to 256 resources at most.",
    section: "explicit limits",
    break: {
      file: "src/gateway/hub/subscriptions.ts",
      from: "if (held.length >= SUBSCRIPTIONS_MOST) throw full(`${SUBSCRIPTIONS_MOST} resources, which is the most`);",
      to: "",
      test: "test/gateway/updates.test.ts",
    },
  },
  {
    id: "guards.notes-judged",
    behaviour:
      "Who may see but not call sends what completes its handshake and takes back its requests; every other notification and every response is refused with what would have sufficed.",
    section: "access: what a message needs",
    break: {
      file: "src/mcp/methods.ts",
      from: 'return method !== undefined && discovering.has(method) ? "discover" : "call";',
      to: 'return "discover";',
      test: "test/gateway/refusals.test.ts",
    },
  },
  {
    id: "guards.answers-judged",
    behaviour: "An answer to what a call asks its client is taken only from who may call at that time.",
    section: "access: what a message needs",
    break: {
      file: "src/gateway/admission/envelope.ts",
      from: 'return noteNeeds(message.kind === "response" ? undefined : message.method);',
      to: 'return message.kind === "response" ? undefined : noteNeeds(message.method);',
      test: "test/gateway/server-requests.test.ts",
    },
  },
  {
    id: "guards.call-ends",
    behaviour:
      "A call that lasts ends within about a second when its key is revoked, its caller may no longer make it, or its endpoint ends, and so does its request at the server.",
    section: "access: what lasts ends with its caller's access",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "if (lost !== undefined) return this.#revoke(lost);",
      to: "void lost;",
      test: "test/gateway/access.test.ts",
    },
  },
  {
    id: "guards.call-ends-told",
    behaviour:
      "A server of the handshake era is told that a call is cancelled whose caller may no longer make it.",
    section: "2025-11-25 basic/utilities/cancellation",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "      post(held, this.#headers, message).catch(() => {});",
      to: "      void [post, message];",
      test: "test/gateway/access.test.ts",
    },
  },
  {
    id: "guards.call-ends-left",
    behaviour:
      "A call ends with its caller's access also when its client has left it, or is one of HTTP+SSE.",
    section: "access: what lasts ends with its caller's access",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "    if (elapsed < CHECK_MS) return;",
      to: "    if (elapsed < CHECK_MS || this.#x.clientGone) return;",
      test: "test/gateway/access.test.ts",
    },
  },
];

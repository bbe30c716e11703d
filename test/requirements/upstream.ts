import type { Requirement } from "./requirement.ts";

const http = "2025-11-25 basic/transports#session-management";
const versioning = "2026-07-28 basic/versioning#backward-compatibility";

/** What holds for servers that run elsewhere. */
export const upstream: readonly Requirement[] = [
  {
    id: "upstream.register",
    behaviour: "A server that runs elsewhere is registered by its URL and called through the gateway.",
    section: "Servers that run elsewhere: registering",
    break: {
      file: "src/domain/servers/register.ts",
      from: '  await change("server", server.id);',
      to: "  void change;",
      test: "test/system/register.test.ts",
    },
  },
  {
    id: "upstream.private",
    behaviour: "A private address is refused in words that name --allow-private, and nothing is stored.",
    section: "Servers that run elsewhere: registering",
    break: {
      file: "src/domain/servers/register.ts",
      from: "  const allow = input.allowPrivate === true ? { host: at.host, port: at.port } : undefined;",
      to: "  const allow = { host: at.host, port: at.port };",
      test: "test/system/register.test.ts",
    },
  },
  {
    id: "upstream.never",
    behaviour: "Metadata services and Offing's own listeners are never reachable, whatever is allowed.",
    section: "Servers that run elsewhere: registering",
    break: {
      file: "src/main/services.ts",
      from: "      own: options.own,",
      to: "      own: () => [],",
      test: "test/system/register.test.ts",
    },
  },
  {
    id: "upstream.session",
    behaviour:
      "A session at an external server is the server's own; its id goes on every later request and never to the client.",
    section: http,
    break: {
      file: "src/gateway/cells/handshake.ts",
      from: '        const own = endpoint.upstream.kind === "external" ? sink.session : undefined;',
      to: "        const own = undefined;",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.reinitialize",
    behaviour: "A session that its server answers with 404 is opened anew in the client's words, unnoticed.",
    section: http,
    break: {
      file: "src/gateway/sessions/upstream-sessions.ts",
      from: '      clientInfo: { name: client.name ?? "unknown", version: client.version ?? "" },',
      to: '      clientInfo: { name: "offing", version: "1" },',
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.not-repeated",
    behaviour:
      "A tool call that may not run twice is not repeated after its server lost the session; the next call works.",
    section: "Servers that run elsewhere: the upstream face",
    break: {
      file: "src/gateway/exchange/external.ts",
      from: '  if (typeof hints !== "object" || hints === null) return false;',
      to: '  if (typeof hints !== "object" || hints === null) return true;',
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.shared-session",
    behaviour: "All who lost a session share the one in its place, at every process.",
    section: "Servers that run elsewhere: sessions that survive",
    break: {
      file: "src/gateway/sessions/upstream-sessions.ts",
      from: "      this.#opening.set(sid, opening);",
      to: "",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.own-session",
    behaviour: "No principal's request goes into another one's session at an external server.",
    section: "2025-11-25 basic/security_best_practices#session-hijacking",
    break: {
      file: "src/gateway/sessions/session.ts",
      from: '    if (claims.principal !== principalId(principal)) throw ended("of another principal");',
      to: "",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.no-identity",
    behaviour: "No key, cookie or word of who calls goes to an external server.",
    section: "2026-07-28 basic/authorization#token-handling",
    break: {
      file: "src/gateway/exchange/credential.ts",
      from: 'if (endpoint.upstream.kind === "hosted" && principal.kind !== "anonymous") {',
      to: 'if (principal.kind !== "anonymous") {',
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.mirrored",
    behaviour:
      "Mirrored headers, unknown Mcp-Param ones included, reach a stateless server as they came, without a session.",
    section: "2026-07-28 basic/transports/streamable-http#custom-headers-from-tool-parameters",
    break: {
      file: "src/gateway/exchange/credential.ts",
      from: "  const session = external && spoken.stateless ? undefined : spoken.session;",
      to: "  const session = spoken.session;",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.doubt",
    behaviour: "An answer that contradicts what was found of a server makes it doubted.",
    section: versioning,
    break: {
      file: "src/gateway/exchange/leases.ts",
      from: "    this.#upstreams.doubt(upstream);",
      to: "    void upstream;",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.no-evidence",
    behaviour: "401, 403, 5xx and the errors of the stateless era are no evidence against that era.",
    section: versioning,
    break: {
      file: "src/gateway/exchange/era-watch.ts",
      from: "    if (status === 404) return code !== codes.methodNotFound;",
      to: "    if (status === 404) return true;",
      test: "test/gateway/external.test.ts",
    },
  },
  {
    id: "upstream.verdict-expires",
    behaviour: "What was found of a server is believed for an hour, then it is asked anew off the path.",
    section: "Servers that run elsewhere: the upstream face",
    break: {
      file: "src/domain/servers/refresh.ts",
      from: "export const VERDICT_MS = 60 * 60_000;",
      to: "export const VERDICT_MS = 600 * 60_000;",
      test: "test/system/verdict.test.ts",
    },
  },
  {
    id: "upstream.doubted-at-once",
    behaviour: "A doubted server is asked anew at once, and spoken to as it answers then.",
    section: "Servers that run elsewhere: the upstream face",
    break: {
      file: "src/main/gateway.ts",
      from: "    upstreams: { ...createDoubts(services), ...createRefusals(ctx) },",
      to: "",
      test: "test/system/verdict.test.ts",
    },
  },
  {
    id: "upstream.held",
    behaviour:
      "The stateless clients of one principal share a session that the gateway holds at a handshake server, each call under an id of its own.",
    section: "Servers that run elsewhere: the four cells",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "      if (there !== undefined) return there;",
      to: "",
      test: "test/gateway/external-eras.test.ts",
    },
  },
  {
    id: "upstream.held-lost",
    behaviour: "A held session that its server lost is opened anew; only what may run twice is repeated.",
    section: "Servers that run elsewhere: the upstream face",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "    if (this.#held.get(lost.key) === lost) this.#forget(lost);",
      to: "",
      test: "test/gateway/external-eras.test.ts",
    },
  },
  {
    id: "upstream.held-bound",
    behaviour: "One principal holds a bounded number of sessions at a server; more is 429.",
    section: "Servers that run elsewhere: limits",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "const PER_PRINCIPAL = 16;",
      to: "const PER_PRINCIPAL = 1600;",
      test: "test/gateway/external-eras.test.ts",
    },
  },
  {
    id: "upstream.trace",
    behaviour:
      "The trace context of a client's headers is in the _meta of the requests that the gateway writes.",
    section: "2026-07-28 basic#trace-context",
    break: {
      file: "src/gateway/exchange/trace.ts",
      from: "  return { ...params, _meta: { ...given, ...context } };",
      to: "  return params;",
      test: "test/gateway/external-eras.test.ts",
    },
  },
  {
    id: "upstream.own-era",
    behaviour: "A server elsewhere that speaks both eras is spoken to in the client's own.",
    section: "Servers that run elsewhere: the four cells",
    break: {
      file: "src/upstream/discover.ts",
      from: '  const both: readonly Era[] = ["stateless", "handshake"];',
      to: '  const both: readonly Era[] = ["stateless"];',
      test: "test/gateway/external-eras.test.ts",
    },
  },
  {
    id: "upstream.detect",
    behaviour:
      "400 without one of -32020 to -32022, 404, 405 or a JSON-RPC error to `server/discover` means the handshake era.",
    section: versioning,
    break: {
      file: "src/upstream/eras.ts",
      from: "  if (status >= 400) return true;",
      to: '  if (status >= 400) throw new AskError("refused");',
      test: "test/upstream/eras.test.ts",
    },
  },
  {
    id: "upstream.evidence",
    behaviour: "Redirects, 401, 403, 429, 5xx and errors within the server are no evidence of an era.",
    section: versioning,
    break: {
      file: "src/upstream/eras.ts",
      from: "  if (status >= 500 || status === 407 || status === 408 || status === 429) {",
      to: "  if (status === 407) {",
      test: "test/upstream/eras.test.ts",
    },
  },
  {
    id: "upstream.offered-revision",
    behaviour: "A server that refuses the revision and names that very one as supported is asked once more.",
    section: "2026-07-28 basic/versioning#protocol-version-negotiation",
    break: {
      file: "src/upstream/eras.ts",
      from: '  if (offersOurs(answer)) answer = await send("server/discover", {});',
      to: "",
      test: "test/upstream/eras.test.ts",
    },
  },
  {
    id: "upstream.both-eras",
    behaviour:
      "A server that was registered in the stateless era is asked in the other one soon after, and its clients begin anew where its eras changed.",
    section: "Servers that run elsewhere: the four cells",
    break: {
      file: "src/domain/servers/refresh.ts",
      from: '        ...(sameEras(before, manifest) ? {} : { endpoint: newId("dep", services.clock.now()) }),',
      to: "",
      test: "test/system/verdict.test.ts",
    },
  },
  {
    id: "upstream.published",
    behaviour: "A session that one gateway process opened anew at its server is used by the others.",
    section: "Servers that run elsewhere: sessions that survive",
    break: {
      file: "src/gateway/sessions/upstream-sessions.ts",
      from: "    await book.rebind(turn, session, id).then(",
      to: "    await Promise.reject(new Error()).then(",
      test: "test/system/register-workers.test.ts",
    },
  },
  {
    id: "upstream.undialled",
    behaviour: "A request whose server cannot be dialled at all is answered, and leaves its record.",
    section: "Servers that run elsewhere: what is recorded",
    break: {
      file: "src/gateway/exchange/forward.ts",
      from: "      return this.#stop(unstarted(error));",
      to: "      throw error;",
      test: "test/gateway/deep-answers.test.ts",
    },
  },
  {
    id: "upstream.held-stream",
    behaviour: "The stream of a session that the gateway holds elsewhere ends with it: idle, lost or closed.",
    section: "design.md §9 Invariants, 10",
    break: {
      file: "src/gateway/sessions/held-sessions.ts",
      from: "    held.life.abort();",
      to: "",
      test: "test/gateway/held-sessions.test.ts",
    },
  },
];

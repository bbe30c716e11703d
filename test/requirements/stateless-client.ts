import type { Requirement } from "./requirement.ts";

const transport = "2026-07-28 basic/transports/streamable-http";
const mrtr = "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow";

/** What a client of the stateless revision can rely on. */
export const statelessClient: readonly Requirement[] = [
  {
    id: "stateless-client.parameters-agree",
    behaviour: "Mcp-Param headers that repeat the arguments are accepted, decoded from Base64 where encoded.",
    section: `${transport}#value-encoding`,
    break: {
      file: "src/mcp/envelope.ts",
      from: "  return bytes.toString();",
      to: '  return bytes.toString("latin1");',
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.parameters-differ",
    behaviour: "Mcp-Param headers that are missing or differ from the arguments are refused with -32020.",
    section: `${transport}#server-behavior-for-custom-headers`,
    break: {
      file: "src/mcp/parameters.ts",
      from: 'if (typeof given !== "string") return mismatch(mirrored, "is missing; it must repeat the argument");',
      to: 'if (typeof given !== "string") continue;',
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.parameters-invalid",
    behaviour: "A tool whose x-mcp-header annotations are invalid asks for no headers.",
    section: `${transport}#schema-extension`,
    break: {
      file: "src/mcp/parameters.ts",
      from: 'if (type !== "string" && type !== "integer" && type !== "boolean") return false;',
      to: "",
      test: "test/gateway/mirrored-headers.test.ts",
    },
  },
  {
    id: "stateless-client.state-sealed",
    behaviour:
      "The upstream's requestState reaches the client sealed, and comes back as the upstream gave it.",
    section: mrtr,
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "requestState: sealState(this.#services, turn, request, state)",
      to: "requestState: state.state",
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.state-bound",
    behaviour:
      "A state is refused when it was tampered with, or is of another principal, endpoint or request.",
    section: mrtr,
    break: {
      file: "src/gateway/request-state.ts",
      from: "if (claims[name] !== value)",
      to: "if (false && claims[name] !== value)",
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.state-expires",
    behaviour: "A state is refused an hour after it was given.",
    section: mrtr,
    break: {
      file: "src/gateway/request-state.ts",
      from: 'claims["expires"] <= services.clock.now()',
      to: 'claims["expires"] <= 0',
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.envelope",
    behaviour:
      "A request whose envelope or mirrored headers are missing or differ, or whose method does not exist in this revision, is refused with the code and status of the specification.",
    section: `${transport}#server-validation`,
    break: {
      file: "src/mcp/stateless.ts",
      from: 'disagreesOn("mcp-method", headers, request.method) ??',
      to: "",
      test: "test/gateway/refusals.test.ts",
    },
  },
  {
    id: "stateless-client.unsupported-version",
    behaviour: "A version that is not spoken here is answered with -32022 and those that are.",
    section: "2026-07-28 basic/versioning#protocol-version-negotiation",
    break: {
      file: "src/mcp/stateless.ts",
      from: "data: { supported: [...statelessRevisions], requested: revision.slice(0, 40) },",
      to: "",
      test: "test/gateway/refusals.test.ts",
    },
  },
  {
    id: "stateless-client.disconnect-cancels",
    behaviour: "A client that closes its stream cancels its request, and no other.",
    section: `${transport}#cancellation`,
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "cancelOnLeave: true",
      to: "cancelOnLeave: false",
      test: "test/gateway/streams.test.ts",
    },
  },
  {
    id: "stateless-client.lists-private",
    behaviour: "Lists behind the gate carry cacheScope private and the server's ttlMs.",
    section: "2026-07-28 server/utilities/caching",
    break: {
      file: "src/mcp/caching.ts",
      from: 'cacheScope: "private"',
      to: 'cacheScope: result["cacheScope"]',
      test: "test/gateway/stateless-answers.test.ts",
    },
  },
  {
    id: "stateless-client.discover",
    behaviour: "server/discover announces the versions that the gateway speaks, with caching hints.",
    section: "2026-07-28 server/discover",
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "supportedVersions: [...statelessRevisions]",
      to: "",
      test: "test/gateway/stateless-answers.test.ts",
    },
  },
  {
    id: "stateless-client.own-stream",
    behaviour: "Progress and log messages travel on their own request's stream only, without event ids.",
    section: `${transport}#receiving-messages`,
    break: {
      file: "src/gateway/cells/stateless-relay.ts",
      from: "return this.#pass(looked ? this.#rewritten(whole) : whole);",
      to: "return this.#pass(looked ? whole : whole.subarray(0, 0));",
      test: "test/gateway/stateless-answers.test.ts",
    },
  },
  {
    id: "stateless-client.state-outlives-instance",
    behaviour: "What a tool asked is answered also when the instance that asked is no more.",
    section: mrtr,
    break: {
      file: "src/runner/python/offing_runtime/states.py",
      from: "        return cls(keys=list(keys), **given)",
      to: "        return cls(keys=[__import__('os').urandom(32)], **given)",
      test: "test/gateway/state-outlives.test.ts",
    },
  },
  {
    id: "stateless-client.large-question",
    behaviour: "A question of the server reaches its client sealed, however large it is.",
    section: mrtr,
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "canBeAsked(request) ? messageBytes : LOOKED_INTO_BYTES",
      to: "LOOKED_INTO_BYTES",
      test: "test/gateway/request-state.test.ts",
    },
  },
  {
    id: "stateless-client.name-encoded",
    behaviour: "A name in Mcp-Name is decoded from Base64 before it is compared.",
    section: `${transport}#value-encoding`,
    break: {
      file: "src/mcp/stateless.ts",
      from: 'header !== "mcp-name" ? given : headerText(given)',
      to: "true ? given : headerText(given)",
      test: "test/gateway/refusals.test.ts",
    },
  },
  {
    id: "stateless-client.posts-only",
    behaviour:
      "GET and DELETE of a request that names the stateless revision are answered 405: all of it is posted.",
    section: transport,
    break: {
      file: "src/gateway/conversation.ts",
      from: 'judgeMethod(x, "there are no sessions to end");',
      to: "void judgeMethod;",
      test: "test/gateway/refusals.test.ts",
    },
  },
  {
    id: "stateless-client.read-private",
    behaviour: "The content of a resource is private to whom it was answered, whatever its server says.",
    section: "2026-07-28 server/utilities/caching",
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "return new StatelessRelay(x, mostBytes, change, request.known.cacheable);",
      to: "return new StatelessRelay(x, mostBytes, change);",
      test: "test/gateway/private-scope.test.ts",
    },
  },
  {
    id: "stateless-client.read-private-large",
    behaviour:
      "A resource that is too large to be held is private too, wherever the words that say otherwise are cut.",
    section: "2026-07-28 server/utilities/caching",
    break: {
      file: "src/gateway/streams/private-scope.ts",
      from: "} else if (BEGUN.test(text)) break;",
      to: "}",
      test: "test/gateway/private-scope.test.ts",
    },
  },
  {
    id: "stateless-client.read-private-whole",
    behaviour:
      "A resource that came whole as events reaches its reader whole, whatever its server does next.",
    section: "2026-07-28 server/utilities/caching",
    break: {
      file: "src/gateway/streams/private-scope.ts",
      from: "} else if (BEGUN.test(text)) break;",
      to: "} else if (bytes.length - next < LONGEST) break;",
      test: "test/gateway/private-scope.test.ts",
    },
  },
];

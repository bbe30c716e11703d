import type { Requirement } from "./requirement.ts";

const suite = "test/conformance/conformance.test.ts";
const matrix = "test/system/matrix.test.ts";

/** What the official suite shows of the gateway, and what real clients and servers show of it between the eras. */
export const conformance: readonly Requirement[] = [
  {
    id: "conformance.modern-2026-07-28",
    behaviour: "A stateless server behind the gate conforms to 2026-07-28, with the tasks extension.",
    section: "2026-07-28 all of it",
    break: {
      file: "src/mcp/stateless.ts",
      from: "data: { supported: [...statelessRevisions], requested",
      to: "data: { requested",
      test: suite,
    },
  },
  {
    id: "conformance.modern-2025-11-25",
    behaviour: "A stateless server behind the gate conforms to 2025-11-25, which it does not speak.",
    section: "2025-11-25 all of it",
    break: {
      file: "src/mcp/to-handshake.ts",
      from: "    protocolVersion: revision,",
      to: "    protocolVersion: newestStateless,",
      test: suite,
    },
  },
  {
    id: "conformance.legacy-2025-11-25",
    behaviour: "A handshake server behind the gate conforms to 2025-11-25.",
    section: "2025-11-25 all of it",
    break: {
      file: "src/gateway/cells/handshake.ts",
      from: 'return { "mcp-session-id": book.mint(',
      to: 'return { "x-session-id": book.mint(',
      test: suite,
    },
  },
  {
    id: "conformance.legacy-2026-07-28",
    behaviour:
      "A handshake server behind the gate conforms to 2026-07-28, save what a handshake server cannot express.",
    section: "2026-07-28 all of it",
    break: {
      file: "src/mcp/translate.ts",
      from: "...(cacheable ? { ttlMs: 0 } : {}),",
      to: "",
      test: suite,
    },
  },
  {
    id: "conformance.client-2026-07-28",
    behaviour: "The gateway speaks to a stateless server as a client of 2026-07-28 must.",
    section: "2026-07-28 basic/versioning",
    break: {
      file: "src/upstream/eras.ts",
      from: "if (offersOurs(answer)) answer =",
      to: "if (!offersOurs(answer)) answer =",
      test: suite,
    },
  },
  {
    id: "conformance.client-2025-11-25",
    behaviour: "The gateway speaks to a handshake server as a client of 2025-11-25 must.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/exchange/ask-again.ts",
      from: '"last-event-id", this.#lastEventId',
      to: '"x-last-event-id", this.#lastEventId',
      test: suite,
    },
  },
  {
    id: "matrix.tool",
    behaviour: "A tool of a server of either era is called by a client of either era.",
    section: "2026-07-28 server/tools#calling-tools",
    break: {
      file: "src/mcp/to-handshake.ts",
      from: "      [meta.protocolVersion]: newestStateless,",
      to: '      [meta.protocolVersion]: "2025-11-25",',
      test: matrix,
    },
  },
  {
    id: "matrix.progress",
    behaviour: "Progress of a tool reaches a client of either era while the call lasts, in order.",
    section: "2026-07-28 basic/patterns/progress",
    break: {
      file: "src/gateway/bridge/handshake-call.ts",
      from: '} else if (method === "notifications/progress") {',
      to: '} else if (method === "notifications/progressed") {',
      test: matrix,
    },
  },
  {
    id: "matrix.elicitation",
    behaviour:
      "A tool that elicits, by a request or by its result, gets the answer of a client of either era.",
    section: "2026-07-28 client/elicitation",
    break: {
      file: "src/gateway/era.ts",
      from: "const wanted = (capability === undefined ? undefined : neededBy(capability)) ?? client;",
      to: "const wanted = client;",
      test: matrix,
    },
  },
  {
    id: "matrix.sampling",
    behaviour:
      "A tool that samples, by a request or by its result, gets the answer of a client of either era.",
    section: "2026-07-28 client/sampling",
    break: {
      file: "src/gateway/era.ts",
      from: "const wanted = (capability === undefined ? undefined : neededBy(capability)) ?? client;",
      to: "const wanted = client;",
      test: matrix,
    },
  },
  {
    id: "matrix.roots",
    behaviour:
      "A tool that asks for roots, by a request or by its result, gets those of a client of either era.",
    section: "2026-07-28 client/roots",
    break: {
      file: "src/gateway/era.ts",
      from: "const wanted = (capability === undefined ? undefined : neededBy(capability)) ?? client;",
      to: "const wanted = client;",
      test: matrix,
    },
  },
  {
    id: "matrix.cancel",
    behaviour:
      "A call that a client of either era gives up is cancelled in a tool of a server of either era.",
    section: "2026-07-28 basic/patterns/cancellation",
    break: {
      file: "src/gateway/cells/stateless.ts",
      from: "cancelOnLeave: true",
      to: "cancelOnLeave: false",
      test: matrix,
    },
  },
  {
    id: "matrix.subscribe",
    behaviour: "A client of either era is told that a resource was updated to which it has subscribed.",
    section: "2026-07-28 basic/patterns/subscriptions",
    break: {
      file: "src/gateway/hub/filter.ts",
      from: "uris: tellsUpdates(manifest) && mayRead(endpoint, principal) ? filter.uris : none,",
      to: "uris: none,",
      test: matrix,
    },
  },
  {
    id: "matrix.task",
    behaviour: "A task of FastMCP is created, read and completed by a client that knows tasks.",
    section: "2026-07-28 io.modelcontextprotocol/tasks",
    break: {
      file: "src/mcp/methods.ts",
      from: '["tasks/get", method(stateless',
      to: '["tasks/look", method(stateless',
      test: matrix,
    },
  },
  {
    id: "matrix.large",
    behaviour: "A result of five megabytes arrives whole, in every pair of eras.",
    section: "2026-07-28 server/tools#calling-tools",
    break: {
      file: "src/gateway/limits.ts",
      from: "messageBytes: 16 * 1024 * 1024,",
      to: "messageBytes: 1024 * 1024,",
      test: matrix,
    },
  },
  {
    id: "matrix.leaves-nothing",
    behaviour:
      "Clients of either era that connect, stream and abort leave no process, socket, timer or memory, neither in the program nor in the server.",
    section: "2026-07-28 basic/patterns/cancellation",
    break: {
      file: "src/runner/python/offing_runtime/http/sdk.py",
      from: "elif not answered:",
      to: "elif False:",
      test: "test/system/leaks.test.ts",
    },
  },
];

import type { Requirement } from "./requirement.ts";

const parked = "src/gateway/bridge/parked.ts";
const life = "test/gateway/parked-life.test.ts";

/** How long a call between the eras may go on, and what it may hold. */
export const bridgesBounds: readonly Requirement[] = [
  {
    id: "bridges.revoked",
    behaviour:
      "A stateless client's call at a handshake server, waiting or not, ends within about a second when the key that it came with is revoked, or its caller may no longer make it.",
    section: "bounds: a call between the eras ends with its caller's access",
    break: {
      file: "src/gateway/bridge/bridged-call.ts",
      from: "if (lost !== undefined) return this.#revoke(lost);",
      to: "void lost;",
      test: life,
    },
  },
  {
    id: "bridges.revoked-session",
    behaviour:
      "A handshake client's call at a stateless server ends within about a second when the key that it came with is revoked.",
    section: "bounds: a call between the eras ends with its caller's access",
    break: {
      file: "src/gateway/bridge/handshake-call.ts",
      from: "return this.#fail(lost);",
      to: "return;",
      test: "test/gateway/server-requests.test.ts",
    },
  },
  {
    id: "bridges.kept-bounded",
    behaviour: "A response that comes while its client is away is kept up to 1 MiB.",
    section: "bounds: shares of the room for calls that wait",
    break: {
      file: parked,
      from: "const RESPONSE_BYTES = MIB;",
      to: "const RESPONSE_BYTES = 2 * MIB;",
      test: life,
    },
  },
  {
    id: "bridges.kept-shared",
    behaviour: "What is kept for one caller takes no more than an eighth of the room for all.",
    section: "bounds: shares of the room for calls that wait",
    break: { file: parked, from: "bytes: 8 * MIB }", to: "bytes: 16 * MIB }", test: life },
  },
  {
    id: "bridges.organization-share",
    behaviour: "The calls of one organization that wait take no more than a quarter of the room for all.",
    section: "bounds: shares of the room for calls that wait",
    break: { file: parked, from: "calls: 500,", to: "calls: 2_000,", test: life },
  },
  {
    id: "bridges.shared-level",
    behaviour:
      "Calls that share a session get each the log messages of its own level, and the server is told the most verbose one that a call under way needs.",
    section: "2026-07-28 server/utilities/logging",
    break: {
      file: "src/gateway/bridge/levels.ts",
      from: "return logLevels[this.#calls.findIndex((calls) => calls > 0)];",
      to: "return logLevels[this.#calls.findLastIndex((calls) => calls > 0)];",
      test: "test/gateway/shared-levels.test.ts",
    },
  },
  {
    id: "bridges.shared-level-again",
    behaviour: "The session that takes the place of a lost one is told the level that its call wants.",
    section: "2026-07-28 server/utilities/logging",
    break: {
      file: "src/gateway/bridge/speaking.ts",
      from: "return Sharing.begin(this.#bridge, this.#turn, this.#shared, held);",
      to: "return new Sharing(this.#bridge, this.#turn, this.#shared, held);",
      test: "test/gateway/shared-levels.test.ts",
    },
  },
  {
    id: "bridges.unwritten-handshake",
    behaviour: "A response that cannot be written for a session ends its call, and its client is told.",
    section: "every request ends with one record",
    break: {
      file: "src/gateway/bridge/handshake-call.ts",
      from: "this.#reply.fail(unwritten(error));",
      to: "throw error;",
      test: "test/gateway/unwritten.test.ts",
    },
  },
  {
    id: "bridges.unwritten-stateless",
    behaviour:
      "A response that cannot be written for a stateless client ends its call, and the client is told.",
    section: "every request ends with one record",
    break: {
      file: "src/gateway/bridge/bridged-call.ts",
      from: "answer.fail(unwritten(error));",
      to: "throw error;",
      test: "test/gateway/unwritten.test.ts",
    },
  },
];

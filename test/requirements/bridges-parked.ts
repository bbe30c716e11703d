import type { Requirement } from "./requirement.ts";

const call = "src/gateway/bridge/bridged-call.ts";
const questions = "src/gateway/bridge/open-questions.ts";
const onHandshake = "src/gateway/cells/stateless-on-handshake.ts";
const parked = "test/gateway/parked.test.ts";
const life = "test/gateway/parked-life.test.ts";

/** What a handshake server asks of a stateless client, whose call waits for the answer. */
export const bridgesParked: readonly Requirement[] = [
  {
    id: "bridges.parked",
    behaviour:
      "What a handshake server asks while it answers a stateless client becomes input_required; the retry goes on with the same call.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: { file: call, from: 'this.#tell({ jsonrpc: "2.0", id, result });', to: "", test: parked },
  },
  {
    id: "bridges.rounds",
    behaviour: "What a server asks at once is asked together, what it asks later in a next round.",
    section: "2026-07-28 basic/patterns/mrtr#inputrequests",
    break: {
      file: questions,
      from: "return Object.fromEntries([...this.#open].map(([key, { request }]) => [key, request]));",
      to: "return Object.fromEntries([...this.#open].slice(0, 1).map(([key, { request }]) => [key, request]));",
      test: parked,
    },
  },
  {
    id: "bridges.present-stream",
    behaviour:
      "Progress and log messages travel on the stream of the request that is present, under its own token.",
    section: "2026-07-28 basic/patterns/progress",
    break: {
      file: "src/gateway/bridge/present.ts",
      from: "return this.answer.send({ ...message, params: { ...params, progressToken: token } });",
      to: "return this.answer.send(message);",
      test: parked,
    },
  },
  {
    id: "bridges.missing-responses",
    behaviour: "What a retry lacks, or has in another form, is asked for again.",
    section: "2026-07-28 basic/patterns/mrtr#error-handling",
    break: {
      file: questions,
      from: "if (question === undefined || !isAnswerTo(question.request.method, response)) continue;",
      to: "if (question === undefined) continue;",
      test: parked,
    },
  },
  {
    id: "bridges.state-once",
    behaviour: "A state that names a call that waits is good for one retry.",
    section: "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow",
    break: {
      file: call,
      from: "if (this.#present !== undefined || round !== this.#rounds) throw usedTwice();",
      to: "if (round > this.#rounds) throw usedTwice();",
      test: parked,
    },
  },
  {
    id: "bridges.state-bound",
    behaviour: "A state is refused in the hands of another, for another request, and when it was changed.",
    section: "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow",
    break: {
      file: "src/gateway/request-state.ts",
      from: "if (claims[name] !== value) throw refused(`sealed for another ${name}`);",
      to: "void value;",
      test: parked,
    },
  },
  {
    id: "bridges.dead-holder",
    behaviour: "When the process that held a call is gone, its client is told to call again.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: onHandshake,
      from: 'throw over("the holder is gone");',
      to: "return;",
      test: parked,
    },
  },
  {
    id: "bridges.expiry",
    behaviour: "A call that waits outlives the request that it was asked in, and expires.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: call,
      from: "this.#expiresAt = sweeper.now() + services.limits.personMs;",
      to: "",
      test: life,
    },
  },
  {
    id: "bridges.window-rests",
    behaviour: "Waiting for a person does not use up the request window.",
    section: "2025-11-25 basic/lifecycle#timeouts",
    break: { file: "src/gateway/bridge/session-call.ts", from: "this.#call?.rest();", to: "", test: life },
  },
  {
    id: "bridges.answer-kept",
    behaviour: "What a server answers while its client is away is given to the client that comes back.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: call,
      from: "if (this.#outcome !== undefined) return this.#deliver(this.#outcome);",
      to: "",
      test: life,
    },
  },
  {
    id: "bridges.parked-bounded",
    behaviour: "Calls that wait are bounded for each principal.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: "src/gateway/bridge/parked.ts",
      from: "const PER_OWNER = 32;",
      to: "const PER_OWNER = 33;",
      test: life,
    },
  },
  {
    id: "bridges.leaving",
    behaviour: "A stateless client that leaves cancels its call at the handshake server by notification.",
    section: "2026-07-28 basic/patterns/cancellation",
    break: { file: call, from: 'void this.cancel("The client left.");', to: "", test: life },
  },
  {
    id: "bridges.undeclared",
    behaviour: "A server is refused what the client did not declare, and may go on without it.",
    section: "2026-07-28 basic/patterns/mrtr#server-requirements-basic-workflow",
    break: {
      file: call,
      from: "return refuse(codes.methodNotFound, `The client has not declared what ${method} needs.`);",
      to: "",
      test: life,
    },
  },
  {
    id: "bridges.missing-capability",
    behaviour: "A call that fails for want of a capability says so with -32021 and which one.",
    section: "2026-07-28 basic#capabilities",
    break: {
      file: "src/gateway/bridge/outcome.ts",
      from: "if (refused !== undefined && isFailure(response)) {",
      to: "if (refused === response) {",
      test: life,
    },
  },
];

import type { Requirement } from "./requirement.ts";

const extension = "ext-tasks 2026-07-28 tasks";
const design = "design.md §5 What holds state";
const face = "test/gateway/tasks.test.ts";
const runner = "test/runner/valkey.test.ts";
const store = "test/store/valkey.test.ts";
const hosted = "test/system/tasks.test.ts";
const tasks = "src/gateway/tasks/tasks.ts";
const ids = "src/gateway/tasks/ids.ts";
const valkey = "src/store/valkey/valkey.ts";
const child = "src/store/valkey/child.ts";
const rights = "src/store/valkey/rights.ts";

/** Background tasks, and where hosted code keeps what outlives its instance. */
export const backgroundTasks: readonly Requirement[] = [
  {
    id: "tasks.own-ids",
    behaviour: "A task reaches the client under an id of the gateway's own, and is read to its end by it.",
    section: `${extension}#task-creation`,
    break: {
      file: ids,
      from: "  return doors.sessions.seal({",
      to: "  if (task) return task; return doors.sessions.seal({",
      test: face,
    },
  },
  {
    id: "tasks.rewritten-together",
    behaviour: "Mcp-Name and params.taskId of a call on a task are rewritten together for its server.",
    section: `${extension}#streamable-http-routing-headers`,
    break: { file: tasks, from: "      name: headerValue(claims.task),", to: "", test: face },
  },
  {
    id: "tasks.cancel",
    behaviour: "Cancelling a task is acknowledged with an empty result, a second time too.",
    section: `${extension}#task-cancellation`,
    break: {
      file: "src/mcp/methods.ts",
      from: '  ["tasks/cancel", method(stateless, "call", false, task)],',
      to: "",
      test: face,
    },
  },
  {
    id: "tasks.name-mirrors",
    behaviour: "A call on a task whose Mcp-Name does not repeat the task's id is refused with -32020.",
    section: `${extension}#streamable-http-routing-headers`,
    break: {
      file: "src/mcp/methods.ts",
      from: 'const task = { parameter: "taskId", kind: null } as const;',
      to: "const task = null;",
      test: face,
    },
  },
  {
    id: "tasks.undeclared",
    behaviour: "A call on a task from a client that did not declare the extension is refused with -32021.",
    section: `${extension}#protocol-errors`,
    break: {
      file: tasks,
      from: "    if (!declaresTasks(request.params)) throw undeclared();",
      to: "",
      test: face,
    },
  },
  {
    id: "tasks.one-answer",
    behaviour: "Unknown, forged, foreign, expired and forgotten tasks are one and the same -32602.",
    section: `${extension}#protocol-errors`,
    break: { file: ids, from: ' || claims["principal"] !== principalId(principal)', to: "", test: face },
  },
  {
    id: "tasks.authorized",
    behaviour: "Every call on a task is authorized as a call of its tool.",
    section: `${extension}#security-considerations`,
    break: {
      file: "src/mcp/methods.ts",
      from: '  ["tasks/get", method(stateless, "call", false, task)],',
      to: '  ["tasks/get", method(stateless, "discover", false, task)],',
      test: face,
    },
  },
  {
    id: "tasks.any-replica",
    behaviour: "Any gateway opens the id of a task that another one sealed.",
    section: "design.md §6 Growing past one machine",
    break: {
      file: ids,
      from: "  const claims = doors.sessions.open(id);",
      to: "  const claims = undefined as unknown;",
      test: face,
    },
  },
  {
    id: "tasks.honest-ttl",
    behaviour: "No task is announced with a longer life than its id has.",
    section: `${extension}#tasks`,
    break: {
      file: tasks,
      from: "  return longer ? { ...task, taskId, ttlMs: TASK_LIFE_MS } : { ...task, taskId };",
      to: "  return longer ? { ...task, taskId } : { ...task, taskId };",
      test: face,
    },
  },
  {
    id: "tasks.never-undeclared",
    behaviour: "A client that did not declare the extension never gets a task; its server's error is -32021.",
    section: `${extension}#capability-negotiation`,
    break: {
      file: tasks,
      from: "    if (!declaresTasks(request.params)) {",
      to: "    if (request.params === undefined) {",
      test: face,
    },
  },
  {
    id: "tasks.only-tool-calls",
    behaviour: "A task in answer to anything but a tool call is an error.",
    section: `${extension}#supported-methods`,
    break: {
      file: tasks,
      from: '    if (request.method !== "tools/call") {',
      to: '    if (request.method === "") {',
      test: face,
    },
  },
  {
    id: "tasks.announced",
    behaviour: "server/discover announces tasks where the upstream does; a handshake never does.",
    section: `${extension}#capability-negotiation`,
    break: {
      file: "src/mcp/translate.ts",
      from: 'era === "stateless" || key !== tasksExtension',
      to: "key !== tasksExtension",
      test: face,
    },
  },
  {
    id: "tasks.experimental",
    behaviour: "The experimental tasks of 2025-11-25 are neither announced nor asked for.",
    section: "2025-11-25 basic/utilities/tasks#capability-negotiation",
    break: {
      file: tasks,
      from: '  if (params["task"] === undefined) return x.body;',
      to: "  if (params) return x.body;",
      test: face,
    },
  },
  {
    id: "tasks.listen",
    behaviour: "A listener is told of its own tasks, by the ids that it knows, and of no other's.",
    section: `${extension}#task-status-notifications`,
    break: {
      file: tasks,
      from: "    return id === undefined ? undefined : { ...message, params: withId(params, id) };",
      to: "    return id === undefined ? undefined : message;",
      test: face,
    },
  },
  {
    id: "tasks.other-form",
    behaviour: "tasks/list and tasks/result, and tasks of a server without any, are 404 with -32601.",
    section: `${extension}#supported-methods`,
    break: {
      file: tasks,
      from: "      if (announcesTasks(endpoint.manifest.capabilities)) throw",
      to: "      if (endpoint.manifest.capabilities) throw",
      test: face,
    },
  },
  {
    id: "tasks.bounded-error",
    behaviour: "What a server says of a task is bounded, however often it names the task.",
    section: "design.md §9 Invariants",
    break: {
      file: tasks,
      from: "text.slice(0, ERROR_CHARACTERS).replaceAll(claims.task, id);",
      to: "text.slice(0, ERROR_CHARACTERS && undefined).replaceAll(claims.task, id);",
      test: face,
    },
  },
  {
    id: "tasks.own-keys",
    behaviour: "A server's user reaches the server's own keys and channels, and no others, not even by name.",
    section: design,
    break: { file: rights, from: '  "-scan",', to: "", test: store },
  },
  {
    id: "tasks.nothing-of-others",
    behaviour: "A server's user can neither stop Valkey in the script debugger nor be told of others' keys.",
    section: design,
    break: { file: rights, from: '  "-client",', to: "", test: store },
  },
  {
    id: "tasks.connections",
    behaviour: "The connections of one server are bounded, over all its instances.",
    section: design,
    break: {
      file: valkey,
      from: "    if (count >= SERVER_CONNECTIONS) {",
      to: "    if (count < 0) {",
      test: store,
    },
  },
  {
    id: "tasks.silent",
    behaviour: "A private Valkey that runs and answers nothing is ended and started again, with what it had.",
    section: design,
    break: {
      file: "src/store/valkey/scripts.ts",
      from: '    if (quiet === true) restart("it did not answer");',
      to: "",
      test: store,
    },
  },
  {
    id: "tasks.endless-script",
    behaviour: "A server's script that never ends is ended; the other servers go on, with what they had.",
    section: design,
    break: {
      file: "src/store/valkey/scripts.ts",
      from: '      await command("PING");',
      to: "",
      test: store,
    },
  },
  {
    id: "tasks.started-when-needed",
    behaviour: "A private Valkey is started by the first connection, on a socket of mode 0600.",
    section: design,
    break: { file: child, from: '    "unixsocketperm 600",', to: '    "unixsocketperm 666",', test: store },
  },
  {
    id: "tasks.survives-kill",
    behaviour: "What Valkey acknowledged is there after it was killed, and it is started again.",
    section: design,
    break: { file: child, from: '    "appendonly yes",', to: '    "appendonly no",', test: store },
  },
  {
    id: "tasks.dies-with-parent",
    behaviour: "A private Valkey ends with the program, however that ends.",
    section: design,
    break: {
      file: child,
      from: '        "--pdeathsig=KILL",',
      to: "",
      test: store,
    },
  },
  {
    id: "tasks.resumed",
    behaviour: "A task that its instance had begun when it ended is done by the next instance, at once.",
    section: design,
    break: {
      file: "src/runner/valkey.ts",
      from: "      await adopt();",
      to: "",
      test: runner,
    },
  },
  {
    id: "tasks.adopted-once",
    behaviour: "What a former instance had begun is given back once, before the next one connects.",
    section: design,
    break: {
      file: "src/runner/valkey.ts",
      from: "      failing = true;",
      to: "      failing = true; adopted = undefined;",
      test: runner,
    },
  },
  {
    id: "tasks.kept-awake",
    behaviour: "An instance with tasks that are not done is not stopped for idleness.",
    section: design,
    break: {
      file: "src/runner/supervisor.ts",
      from: "    if (works) restFor(slot, running);",
      to: "    if (!running) restFor(slot, running);",
      test: runner,
    },
  },
  {
    id: "tasks.in-memory",
    behaviour: "Without Valkey, an instance with tasks stays awake and says what a restart loses.",
    section: design,
    break: {
      file: "src/runner/python/offing_runtime/http/tasks.py",
      from: "            return True",
      to: "            return False",
      test: runner,
    },
  },
  {
    id: "tasks.given-to",
    behaviour: "Only instances of servers that keep something get a way to Valkey.",
    section: design,
    break: {
      file: "src/runner/prepare.ts",
      from: "  const keeps = located.keepsState === true || hasTaskEngine(located.environment);",
      to: "  const keeps = true;",
      test: runner,
    },
  },
  {
    id: "tasks.valkey-url",
    behaviour: "With VALKEY_URL, a server that is there already holds the same, with the same users.",
    section: design,
    break: {
      file: valkey,
      from: "    return url === undefined ? (await started()).connect() : signIn(url);",
      to: "    return (await started()).connect();",
      test: store,
    },
  },
  {
    id: "tasks.hosted-restart",
    behaviour: "A look at a hosted task whose instance was killed wakes the next one, which does the task.",
    section: design,
    break: {
      file: "src/runner/valkey.ts",
      from: "    FASTMCP_DOCKET_URL: `unix://${path}`,",
      to: "",
      test: hosted,
    },
  },
  {
    id: "tasks.hosted-program",
    behaviour: "A hosted task outlives a kill of the program.",
    section: design,
    break: { file: child, from: '    "appendonly yes",', to: '    "appendonly no",', test: hosted },
  },
  {
    id: "tasks.hosted-valkey",
    behaviour: "A hosted task outlives a kill of Valkey.",
    section: design,
    break: {
      file: valkey,
      from: "        if (running.running) return running;",
      to: "        if (running) return running;",
      test: hosted,
    },
  },
  {
    id: "tasks.promotion",
    behaviour: "A task is done, and read, at the artifact that it was given to, whatever was promoted since.",
    section: design,
    break: {
      file: ids,
      from: "  if (same) return { task, tool, upstream };",
      to: "  if (same || runs) return { task, tool, upstream };",
      test: hosted,
    },
  },
  {
    id: "tasks.required-warned",
    behaviour: "A build warns of tools that run as experimental tasks only, which no call can ask for.",
    section: design,
    break: {
      file: "src/mcp/tasks.ts",
      from: '  if (eras.includes("stateless")) return [];',
      to: "  if (eras.length > 0) return [];",
      test: "test/system/inspection.test.ts",
    },
  },
  {
    id: "tasks.full",
    behaviour:
      "Where one server has filled the memory that all share, others' writes fail in words, and nothing that they keep is lost.",
    section: design,
    break: {
      file: "src/store/valkey/child.ts",
      from: '    "maxmemory-policy noeviction",',
      to: '    "maxmemory-policy allkeys-lru",',
      test: "test/store/valkey.test.ts",
    },
  },
];

import type { Requirement } from "./requirement.ts";

const several = "gateway processes";
const test = "test/system/workers.test.ts";
const faults = "test/system/workers-faults.test.ts";
const handOver = "test/gateway/hand-over.test.ts";
const oneStanding = "test/gateway/one-standing.test.ts";

/** What holds with several gateway processes, and of handing requests over to the one that holds something. */
export const workers: readonly Requirement[] = [
  {
    id: "workers.one-port",
    behaviour: "Several gateway processes serve one port, and connections reach each of them.",
    section: `${several}: one port`,
    break: {
      file: "src/main/front.ts",
      from: "        count: config.workers,",
      to: "        count: 1,",
      test,
    },
  },
  {
    id: "workers.any-session",
    behaviour:
      "Any gateway process serves any session, and clients without sessions; an ended one is refused by all.",
    section: "2025-11-25 basic/transports#session-management",
    break: {
      file: "src/main/workers/serve.ts",
      from: "  const sealing = ringOf(order.sealing);",
      to: '  const sealing = ringOf({ current: order.name, keys: { [order.name]: Buffer.alloc(32, order.name).toString("base64") } });',
      test,
    },
  },
  {
    id: "workers.stuck",
    behaviour:
      "A gateway process that says nothing for too long is ended and replaced, and the log says why; one that answers is left alone.",
    section: `${several}: supervision`,
    break: {
      file: "src/main/workers/workers.ts",
      from: '      if (++worker.unheard > BEATS) worker.child.kill("SIGKILL");',
      to: '      if (++worker.unheard > BEATS) worker.child.kill("SIGTERM");',
      test: "test/system/stuck-worker.test.ts",
    },
  },
  {
    id: "workers.revocation",
    behaviour: "Once the revocation of a key is answered, every gateway process refuses the key.",
    section: `${several}: changes`,
    break: {
      file: "src/main/system.ts",
      from: "  elsewhere = (xid) => front.applied(xid);",
      to: "  elsewhere = async () => {};",
      test,
    },
  },
  {
    id: "workers.rest",
    behaviour: "The API, its streams and the pages are reached through every gateway process.",
    section: `${several}: what is not the gateway's`,
    break: {
      file: "src/main/workers/pass-on.ts",
      from: "        const head = endToEnd(answer.rawHeaders);",
      to: "        const head: string[] = [];",
      test,
    },
  },
  {
    id: "workers.records",
    behaviour: "Each gateway process writes the records of the requests that it served, once each.",
    section: `${several}: records`,
    break: {
      file: "src/main/gateway.ts",
      from: "    records: { write: (record) => records.push(record) },",
      to: "    records: { write: (record) => void (parts.peers ?? records.push(record)) },",
      test,
    },
  },
  {
    id: "workers.resumed-anywhere",
    behaviour: "A stream that one gateway process holds is resumed at any other.",
    section: "2025-11-25 basic/transports#resumability-and-redelivery",
    break: {
      file: "src/gateway/hand-over.ts",
      from: "  const address = x.handedOver ? undefined : services.peers.address(holder);",
      to: "  const address = undefined as string | undefined;",
      test,
    },
  },
  {
    id: "workers.parked-anywhere",
    behaviour: "The answers to a call that waits in one gateway process are taken by any other.",
    section: "2026-07-28 basic/patterns/mrtr",
    break: {
      file: "src/main/workers/serve.ts",
      from: "  await bind(internal, { path: place.at(order.file) });",
      to: "  await bind(internal, { path: place.at(`${order.file}.x`) });",
      test,
    },
  },
  {
    id: "workers.killed",
    behaviour:
      "A killed gateway process loses what it held, which gets one clear error; the others serve on, sessions survive, and another takes its place.",
    section: `${several}: faults`,
    break: {
      file: "src/main/workers/workers.ts",
      from: "      if (serves || failures > 0) replace(served ? 1 : failures + 1, ended);",
      to: "      if (failures > 0) replace(served ? 1 : failures + 1, ended);",
      test: faults,
    },
  },
  {
    id: "workers.database-back",
    behaviour:
      "When the database is killed, gateway processes serve on, and follow what changes once it is back.",
    section: `${several}: faults`,
    break: {
      file: "src/store/database.ts",
      from: '  pool.on("error", broke);',
      to: "",
      test: faults,
    },
  },
  {
    id: "workers.program-killed",
    behaviour:
      "When the program is killed, none of its gateway processes stays, and its sessions survive the next start.",
    section: `${several}: faults`,
    break: {
      file: "src/main/workers/worker.ts",
      from: 'process.on("disconnect", () => process.exit(1));',
      to: 'process.on("disconnect", () => void setInterval(() => {}, 1000));',
      test: faults,
    },
  },
  {
    id: "workers.port-taken",
    behaviour:
      "The port of gateway processes is shared with no other program, not even one with such processes of its own.",
    section: `${several}: one port`,
    break: {
      file: "src/main/workers/port.ts",
      from: "    await bind(alone, address);",
      to: "    await bind(alone, { ...address, reusePort: true });",
      test,
    },
  },
  {
    id: "workers.usage",
    behaviour: "A number of workers that is none from 1 to 32 is a usage error.",
    section: `${several}: up --workers N`,
    break: {
      file: "src/config.ts",
      from: '    workers: integer("the number of workers", env.workers, 0, 1, 32),',
      to: "    workers: Number(env.workers ?? 0),",
      test,
    },
  },
  {
    id: "workers.drained",
    behaviour: "SIGTERM drains every gateway process and ends the program in time with exit code 0.",
    section: `${several}: drain`,
    break: {
      file: "src/main/workers/worker.ts",
      from: "  await running?.close();",
      to: "  await new Promise(() => {});",
      test: faults,
    },
  },
  {
    id: "workers.hand-over",
    behaviour:
      "A request that is handed over is answered by its holder, which alone writes the record, with the client's address.",
    section: `${several}: hand-over`,
    break: { file: "src/gateway/hand-over.ts", from: "    this.#x.discard();", to: "", test: handOver },
  },
  {
    id: "workers.hand-over-authenticates",
    behaviour: "The holder authenticates a request that is handed over anew.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/admission/authenticate.ts",
      from: "    if (proof === undefined) {",
      to: "    if (proof === undefined && !x.handedOver) {",
      test: handOver,
    },
  },
  {
    id: "workers.hand-over-streams",
    behaviour: "A handed-over answer passes event by event, and ends at the holder when its client leaves.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: '    this.#controller?.abort(new Error("The client left."));',
      to: "",
      test: handOver,
    },
  },
  {
    id: "workers.hand-over-once",
    behaviour: "A request that was handed over is not handed over again.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: "  const address = x.handedOver ? undefined : services.peers.address(holder);",
      to: "  const address = services.peers.address(holder);",
      test: handOver,
    },
  },
  {
    id: "workers.hand-over-address",
    behaviour: "The header that tells a client's address is believed of other gateway processes only.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: "    if (name !== clientHeader && !ofOneConnection.has(name)) list.push(raw[i]!, raw[i + 1]!);",
      to: "    if (!ofOneConnection.has(name)) list.push(raw[i]!, raw[i + 1]!);",
      test: handOver,
    },
  },
  {
    id: "workers.holder-gone",
    behaviour: "What a dead process held gets one clear error, and a record of it.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: '    "session",',
      to: '    "upstream",',
      test: handOver,
    },
  },
  {
    id: "workers.holder-hangs",
    behaviour:
      "A holder that hangs keeps a request no longer than that may take; only standing streams have no limit.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: "    this.#x.begin(this, this.#x.elapsed() + this.#limitMs);",
      to: "    this.#x.begin(this, Infinity);",
      test: handOver,
    },
  },
  {
    id: "workers.holder-gone-streaming",
    behaviour: "A client whose stream comes from a process that dies is told so on the stream.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/hand-over.ts",
      from: "      if (refusal !== undefined) failAnswer(x, refusal, this.#events);",
      to: "      if (refusal !== undefined) failAnswer(x, refusal, false);",
      test: handOver,
    },
  },
  {
    id: "workers.learned",
    behaviour: "What a refusal in the wrong era has taught one gateway process, every other one knows.",
    section: `${several}: eras`,
    break: {
      file: "src/domain/changes/compile.ts",
      from: "endpoints: given.map((endpoint) => withRefusals(endpoint, refusals)),",
      to: "endpoints: given,",
      test,
    },
  },
  {
    id: "workers.stands-told",
    behaviour: "A gateway process is told of the standing streams that sessions open at others.",
    section: `${several}: one standing stream`,
    break: {
      file: "src/main/workers/workers.ts",
      from: "for (const other of workers) if (other !== worker) say(other, { ...message, holder: worker.name });",
      to: "",
      test,
    },
  },
  {
    id: "workers.one-standing",
    behaviour: "A session has one standing stream, whichever processes its client asks for it: the newest.",
    section: "2025-11-25 basic/transports#multiple-connections",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (own !== undefined) this.#end(own);",
      to: "",
      test: oneStanding,
    },
  },
  {
    id: "workers.newer-stands",
    behaviour: "Of two processes that tell of a session's stream at the same time, one keeps it.",
    section: "2025-11-25 basic/transports#multiple-connections",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "if (own !== undefined && own.since > at) return;",
      to: "",
      test: oneStanding,
    },
  },
  {
    id: "workers.subscribed",
    behaviour:
      "A subscription is answered once it is told, also at another process than that of the session's stream.",
    section: "2025-11-25 server/resources#subscriptions",
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "const holder = x.inner ? undefined : this.#elsewhere.get(session.claims.sid);",
      to: "const holder = undefined;",
      test: oneStanding,
    },
  },
  {
    id: "workers.told-later",
    behaviour: "A process that comes later is told of the standing streams at others.",
    section: `${several}: one standing stream`,
    break: {
      file: "src/gateway/hub/hub.ts",
      from: "filter(([, { since }]) => since > 0)",
      to: "filter(() => false)",
      test: oneStanding,
    },
  },
  {
    id: "workers.counted-once",
    behaviour: "A stream that is resumed at another process than its holder counts there, and as a stream.",
    section: `${several}: hand-over`,
    break: {
      file: "src/gateway/streams/hear.ts",
      from: "if (at.request === null) services.tallies.stand(x);",
      to: "",
      test: oneStanding,
    },
  },
];

import { createLog, messageOf } from "../../lib/log.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { serve, type Serving } from "./serve.ts";

/**
 * A gateway process of a program that has several. Its program tells it
 * everything over its channel, and it ends with its program, however that went.
 */
const log = createLog((line) => void process.stderr.write(line));
let serving: Promise<Serving> | undefined;
const asked = new Map<number, () => void>();
let asks = 0;

const say = (message: FromWorker): void => {
  if (process.connected) process.send!(message, () => {});
};

/** Asks the program, which asks the others, within its time for each. */
async function elsewhere(xid: bigint | null): Promise<void> {
  const id = ++asks;
  const { promise, resolve } = Promise.withResolvers<void>();
  asked.set(id, resolve);
  say({ type: "apply", id, xid: xid === null ? null : String(xid) });
  await promise;
  asked.delete(id);
}

async function stop(): Promise<void> {
  const running = await serving?.catch(() => undefined);
  await running?.close();
  process.exit(0);
}

process.on("disconnect", () => process.exit(1));
// The terminal's Ctrl-C and a stopping service reach every process; the program says when its workers stop.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => {});
process.on("unhandledRejection", (error) =>
  log.error("an error nobody waited for", { error: messageOf(error) }),
);
process.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "start":
      serving = serve(message.order, log, {
        elsewhere,
        stands: (streams) => say({ type: "stands", streams }),
      });
      serving.then(
        () => say({ type: "standing" }),
        (error: unknown) => fail(error),
      );
      return;
    case "listen":
      void serving!.then((running) => running.listen()).then(() => say({ type: "serving" }), fail);
      return;
    case "peer":
      void serving!.then(
        (running) => running.peer(message.name, message.file),
        () => {},
      );
      return;
    case "stands":
      void serving!.then(
        (running) => running.stands(message.holder, message.streams),
        () => {},
      );
      return;
    case "apply":
      void serving!
        .then((running) => running.applied(message.xid))
        .then(
          () => say({ type: "applied", id: message.id }),
          () => {},
        );
      return;
    case "beat":
      return say(message);
    case "applied":
      return asked.get(message.id)?.();
    case "stop":
      void stop();
  }
});

if (!process.connected) process.exit(1);

function fail(error: unknown): void {
  const failed: FromWorker = { type: "failed", message: messageOf(error) };
  process.send!(failed, () => process.exit(1));
}

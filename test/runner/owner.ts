/**
 * A platform in miniature, to be killed: owns a runner, starts one instance and
 * prints what it knows as one JSON line. Arguments: a JSON object.
 */
import { createLocalRunner } from "../../src/runner/local.ts";
import { offerRunner } from "../../src/runner/leases.ts";
import { connectRunner } from "../../src/runner/remote.ts";

const order = JSON.parse(process.argv[2]!) as {
  role: "owner" | "client";
  python: string;
  bwrap: string | null;
  code: string;
  environment: string;
  runDir: string;
  socket: string;
};
const target = {
  organization: "acme",
  server: "fixture",
  artifact: "a",
  scope: "production",
  variables: null,
};

if (order.role === "owner") {
  const runner = await createLocalRunner({
    python: order.python,
    bwrap: order.bwrap,
    runDir: order.runDir,
    lines: { write: () => {} },
    artifacts: {
      locate: async () => ({
        code: order.code,
        environment: order.environment,
        entrypoint: "main.py",
        object: null,
        pythonPath: [],
        variables: {},
      }),
    },
  });
  await offerRunner(runner, order.socket);
  const lease = await runner.acquire(target);
  process.stdout.write(`${JSON.stringify({ address: lease.address })}\n`);
} else {
  const runner = await connectRunner(order.socket);
  const lease = await runner.acquire(target);
  process.stdout.write(`${JSON.stringify({ address: lease.address, instance: lease.instance })}\n`);
}
// Kept alive until it is killed.
setInterval(() => {}, 60_000);

import { expect, it } from "vitest";
import { startProgram } from "../program.ts";
import { callTool, deployShared, endpoint, hold, isProgress } from "./held-server.ts";
import { type Line, linesToEach, workersOf } from "./lines.ts";

it(
  "A gateway process that is stuck is ended and replaced, and the log says why; what the other holds goes on [R:workers.stuck]",
  { timeout: 180_000 },
  async () => {
    await using program = await startProgram({ OFFING_WORKERS: "2", OFFING_WORKER_SILENCE_SECONDS: "3" });
    await deployShared(program);
    const { key } = program.owner;
    const [stuck, other] = (await linesToEach(program)) as [Line, Line];
    const session = await other.open(endpoint, key);
    const held = await other.stream(endpoint, key, hold("held"), session);
    await held.next(isProgress);
    const before = workersOf(program);

    process.kill(stuck.worker, "SIGSTOP");
    await expect.poll(() => workersOf(program).includes(stuck.worker), { timeout: 30_000 }).toBe(false);
    await expect.poll(() => program.said(), { timeout: 30_000 }).toContain("serves again");
    expect(program.said()).toMatch(/a gateway process is gone.*it was stuck: it said nothing for 3 seconds/);
    const after = workersOf(program);
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([other.worker]);
    const lines = await linesToEach(program);
    expect(lines.map(({ worker }) => worker).sort((a, b) => a - b)).toEqual(after);
    for (const line of lines) {
      expect(await line.ask(endpoint, key, callTool("answer"), await line.open(endpoint, key))).toMatchObject(
        {
          result: { content: [{ text: "one" }] },
        },
      );
    }
    // In a session of its own: the ids of this connection's requests begin anew.
    const own = await lines[0]!.open(endpoint, key);
    await lines[0]!.ask(endpoint, key, callTool("release", { name: "held" }), own);
    await held.next((data) => data.includes("released"));
    for (const line of [stuck, other, ...lines]) line.close();
  },
);

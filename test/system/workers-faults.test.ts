import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { type Program } from "../program.ts";
import { callTool, endpoint, hello, hold, isProgress } from "./held-server.ts";
import { Line, workersOf } from "./lines.ts";
import { each, opened, program } from "./two-workers.ts";

describe("kill -9 of a gateway process", () => {
  it("loses what it held, with one clear error, and nothing else: the port is served, sessions go on, another comes. [R:workers.killed]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const session = await first.open(endpoint, key);
    const held = await first.stream(endpoint, key, hold("lost"), session);
    const event = await held.next(isProgress);
    const before = workersOf(program);

    process.kill(first.worker, "SIGKILL");
    await held.broken();
    expect(await second.ask(endpoint, key, callTool("answer"), session)).toMatchObject({
      result: { content: [{ text: "one" }] },
    });
    const lost = await second.resume(endpoint, key, session, event.id!);
    const told = await lost.next((data) => data.includes('"error"'));
    expect(JSON.parse(told.data)).toMatchObject({
      error: { code: -31410, message: expect.stringContaining("not held any more") },
    });

    // Whichever process answers, the port is served all the time.
    await expect.poll(() => workersOf(program).includes(first.worker)).toBe(false);
    for (let n = 0; n < 10; n++) {
      const line = await Line.connect(program);
      expect(await line.ask(endpoint, key, callTool("answer"), session)).toMatchObject({
        result: { content: [{ text: "one" }] },
      });
      line.close();
    }
    await expect.poll(() => workersOf(program).length, { timeout: 20_000 }).toBe(2);
    const replacement = workersOf(program).find((pid) => !before.includes(pid))!;
    await expect
      .poll(
        async () => {
          const line = await Line.connect(program);
          opened.push(line);
          if (line.worker !== replacement) return line.close();
          return line.ask(endpoint, key, callTool("answer"), session);
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ result: { content: [{ text: "one" }] } });
    expect(program.said()).toContain("a gateway process is gone; starting another");
  });
});

describe("kill -9 of the postmaster", () => {
  it("keeps no gateway process from serving, nor from following what changes afterwards. [R:workers.database-back]", async () => {
    const lines = await each();
    const { client } = program.owner;
    const at = { organization: "default" };
    const made = await client.call("createKey", at, { label: "before" });
    process.kill(postmasterOf(program), "SIGKILL");
    const initialize = () =>
      Promise.all(
        lines.map((line) => line.post(endpoint, made.key, { method: "initialize", params: hello })),
      );
    expect((await initialize()).map(({ status }) => status)).toEqual([200, 200]);
    const revoke = async () =>
      client.call("revokeKey", { ...at, key: made.id }).then(
        () => true,
        () => false,
      );
    await expect.poll(revoke, { timeout: 30_000 }).toBe(true);
    expect((await initialize()).map(({ status }) => status)).toEqual([401, 401]);
  });
});

describe("kill -9 of the program", () => {
  it("leaves no gateway process, and its sessions survive the next start. [R:workers.program-killed]", async () => {
    const [first] = (await each()) as [Line];
    const session = await first.open(endpoint, program.owner.key);
    expect(workersOf(program)).toHaveLength(2);
    // Resolves when nothing that it had started is left.
    await program.kill();
    await program.start();
    const line = await Line.connect(program);
    expect(await line.ask(endpoint, program.owner.key, callTool("answer"), session)).toMatchObject({
      result: { content: [{ text: "one" }] },
    });
    line.close();
  });
});

describe("SIGTERM", () => {
  it("ends the program in time with exit code 0 while streams stand at each process. [R:workers.drained]", async () => {
    const { key } = program.owner;
    const lines = await each();
    const session = await lines[0]!.open(endpoint, key);
    const streams = await Promise.all(
      lines.map(async (line, n) => {
        const stream = await line.stream(endpoint, key, hold(`cut ${n}`), session);
        await stream.next(isProgress);
        return stream;
      }),
    );
    const follow = request(
      `${program.url}/api/v1/organizations/default/servers/shared/requests/follow?since=1h`,
      { headers: { authorization: `Bearer ${key}` } },
    );
    follow.on("error", () => {});
    follow.end();
    const [api] = await once(follow, "response");
    api.on("error", () => {});
    api.resume();
    const workers = workersOf(program);
    expect(await program.stop()).toBe(0);
    expect(workers.filter((pid) => isRunning(pid))).toEqual([]);
    await Promise.all(streams.map((stream) => stream.broken()));
    await program.start();
    const { items } = await program.owner.client.call(
      "listRequests",
      { organization: "default", server: "shared" },
      { limit: 200 },
    );
    const cut = items.filter((item) => item.capability?.name === "hold" && item.session !== null);
    expect(cut.length).toBeGreaterThanOrEqual(2);
  });
});

function postmasterOf({ descendants }: Program): number {
  return descendants().find((pid) => /postgres-.*-D/s.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")))!;
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return false;
  }
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { environment, python } from "../fixtures/environments.ts";
import { served, start } from "./bridged.ts";
import { call, code, post, rpc, session, startError, world } from "./harness.ts";

const one = session("1".repeat(32), "one");

/** The whole body of the answer to a call that was started. */
function body(outgoing: ReturnType<typeof start>): Promise<string> {
  return new Promise((resolve) => {
    outgoing.on("response", (response) => {
      let seen = "";
      response.on("data", (chunk: Buffer) => (seen += chunk.toString()));
      response.on("end", () => resolve(seen));
    });
  });
}

describe("A bridge whose program misbehaves", () => {
  test("gives the answer to a call that stands alone to nobody else, whatever number clients choose", async () => {
    const { address, line } = await served();
    const number = "offing-handshake";
    const left = start(address, "slow", { text: "of the first" }, {}, number);
    await line((l) => l.text === "slow began");
    left.destroy();
    await line((l) => l.text.startsWith("cancelled"));
    let second = false;
    const began = line((l) => l.text === "slow began" && (second || !(second = true)));
    const other = start(address, "slow", { text: "of the second" }, {}, number);
    const answer = body(other);
    await began;
    expect(await call(address, "release")).toBe("released");
    expect(await answer).toContain("slow of the second");
  });

  test("ends what a process left behind that ended by itself, also in a session of its own", async () => {
    const { address, children } = await served();
    const failed = await rpc(address, "tools/call", { name: "daemon", arguments: {} }, one);
    expect(failed).toMatchObject({ error: { message: expect.stringContaining("exit code 7") } });
    expect(children()).toBe(1);
  });

  test("answers a call whose result is nested too deeply to be read, and goes on listening", async () => {
    const { address } = await served();
    for (const headers of [one, {}]) {
      expect(await call(address, "count", {}, headers)).toBe("1");
      const failed = await rpc(address, "tools/call", { name: "deep", arguments: {} }, headers);
      expect(failed).toMatchObject({ error: { message: expect.stringContaining("nested too deeply") } });
      expect(await call(address, "count", {}, headers)).toBe("2");
    }
  });

  test("finds an answer behind what was printed on its line, which goes to the log", async () => {
    const { address, line } = await served();
    expect(await call(address, "dots", {}, one)).toBe("thought");
    expect(await line((l) => l.text === "thinking {50%} ...")).toMatchObject({ stream: "stdout" });
  });

  test("replaces the process of the calls that stand alone when it hangs", async () => {
    const { address, line } = await served({ bridgeSilentMs: 500 });
    const hanging = start(address, "hang", {}, {});
    await line((l) => l.text === "hanging");
    const waiting = rpc(address, "tools/call", { name: "count", arguments: {} });
    hanging.destroy();
    expect(await waiting).toMatchObject({ error: { message: expect.stringContaining("said nothing for") } });
    expect(await call(address, "count")).toBe("1");
  });

  test("passes on a client's answer although the call with which it was asked is over", async () => {
    const { address, line } = await served();
    const waiting = start(address, "wait", {}, one, "waiting");
    const answer = body(waiting);
    await line((l) => l.text === "waiting");
    expect(await body(start(address, "question", {}, one, "asking"))).toMatch(
      /sampling\/createMessage[^]*asked/,
    );
    await post(address, { jsonrpc: "2.0", id: "question", result: { said: "late" } }, one);
    expect(await answer).toContain("late");
  });

  test("keeps no place for processes that could not be started", async () => {
    const folder = code({ "main.py": "" });
    const { stdout } = await promisify(execFile)(python, ["-c", noThreads, runtime, folder]);
    expect(JSON.parse(stdout)).toEqual({
      words: Array(3).fill("it could not be started: can't start new thread"),
      live: 0,
      left: 0,
    });
  });

  test.each([
    ["an error of text only", '"error": "no licence"', /it refused `initialize`: no licence\.$/],
    ["an empty result", '"result": None', /it answered `initialize` with neither a result nor an error\.$/],
  ])("says what was answered to the handshake: %s", async (_, answer, words) => {
    const { runner, deploy } = await world();
    const source = `import json, sys
def main():
    message = json.loads(input())
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], ${answer}}), flush=True)
    sys.stdin.read()
if __name__ == "__main__":
    main()
`;
    const target = await deploy({ files: { "main.py": source }, environment: await environment([]) });
    expect((await startError(runner.acquire(target))).message).toMatch(words);
  });
});

const runtime = join(import.meta.dirname, "../../src/runner/python");

/** Three sessions of an instance of two processes, in which no thread can be started for a child. */
const noThreads = `
import asyncio, json, os, sys, threading
here, code = sys.argv[1:]
sys.path.insert(0, here)
sys.dont_write_bytecode = True
from offing_runtime import processes
from offing_runtime.bridge.log import Log
from offing_runtime.bridge.pool import Pool

class Channel:
    def send(self, message): pass

log = Log(Channel())
real = threading.Thread.start
def start(self):
    if self.name == "offing-child":
        raise RuntimeError("can't start new thread")
    real(self)
threading.Thread.start = start

async def main():
    config = {"code": code, "entrypoint": "main.py", "bridge": {"mode": "program"}, "processes": 2}
    pool = Pool(config, here, dict(os.environ), log)
    words = []
    for name in ("a", "b", "c"):
        try:
            async with pool.session(name, {}):
                words.append("started")
        except pool.Ended as ended:
            words.append(ended.how)
    left = len(processes.descendants(os.getpid()))
    print(json.dumps({"words": words, "live": len(pool._live), "left": left}))
    await pool.close()

asyncio.run(main())
`;

import { describe, expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { served, start } from "./bridged.ts";
import { call, mcp1, post, rpc, session, startError, world, type World } from "./harness.ts";
import type { LocalRunnerOptions } from "../../src/runner/local.ts";

const none: string[] = [];

const one = session("1".repeat(32), "one");
const two = session("2".repeat(32), "two");

describe("A program that speaks MCP on its standard input and output", () => {
  test("is served with a process per session and one for what stands alone, and says how it was found", async () => {
    const { address, description } = await served();
    expect(description).toBe(
      "Program `main.py`, found by running main.py: loading main.py gave no server object, but the program speaks MCP on its standard input and output, so each session gets a process of its own",
    );
    const counts = [];
    for (const headers of [one, one, two, {}, {}]) counts.push(await call(address, "count", {}, headers));
    expect(counts).toEqual(["1", "2", "1", "1", "2"]);
    expect(await call(address, "who", {}, one)).toBe("one");
    expect(await call(address, "who", {}, two)).toBe("two");
    expect(await call(address, "who")).toBe("offing");
    expect(await rpc(address, "initialize", {})).toMatchObject({ serverInfo: { name: "raw" } });
  });

  test("passes unicode, a megabyte, errors and progress unchanged, also of calls at the same time", async () => {
    const { address } = await served();
    for (const headers of [one, {}]) {
      expect(await call(address, "echo", { text: 'ünï ☃ 😀 \u2028 "\\' }, headers)).toBe(
        'ünï ☃ 😀 \u2028 "\\',
      );
      expect(await call(address, "big", {}, headers)).toHaveLength(1_000_000);
      expect(await rpc(address, "tools/call", { name: "nothing" }, headers)).toMatchObject({
        error: { code: -32602, message: "Unknown tool: nothing" },
      });
    }
    const texts = Array.from({ length: 30 }, (_, i) => `text ${i}`);
    expect(await Promise.all(texts.map((text) => call(address, "echo", { text })))).toEqual(texts);
  });

  test("gets the client's answers to what it asks in a session, and a refusal where nobody can be asked", async () => {
    const { address } = await served();
    const answer = new Promise<string>((resolve) => {
      const outgoing = start(address, "ask", {}, one);
      outgoing.on("response", (response) => {
        let seen = "";
        let answered = false;
        response.on("data", (chunk: Buffer) => {
          seen += chunk.toString();
          if (!answered && seen.includes("sampling/createMessage")) {
            answered = true;
            void post(address, { jsonrpc: "2.0", id: "question", result: { said: "yes" } }, one);
          }
        });
        response.on("end", () => resolve(seen));
      });
    });
    expect(await answer).toContain(String.raw`{\"said\": \"yes\"}`);
    expect(await call(address, "ask")).toContain("Nobody can be asked here");
    // An answer that nobody asked for goes nowhere.
    expect(await post(address, { jsonrpc: "2.0", id: "question", result: {} }, two)).toBe(202);
    expect(await call(address, "count", {}, two)).toBe("1");
  });

  test.each([
    ["die", "The program ended with exit code 7 while it worked on this call."],
    ["kill", "The program was ended by signal 9 while it worked on this call."],
  ])(
    "that ends in a call (%s) tells its caller how, and the next call gets a new one",
    async (tool, words) => {
      const { address, line } = await served();
      for (const headers of [one, {}]) {
        expect(await call(address, "count", {}, headers)).toBe("1");
        const failed = await rpc(address, "tools/call", { name: tool, arguments: {} }, headers);
        expect(failed).toMatchObject({
          error: { code: -32000, message: expect.stringContaining(words) },
        });
        expect(await call(address, "count", {}, headers)).toBe("1");
      }
      if (tool === "die") await line((l) => l.stream === "stderr" && l.text === "these are my last words");
    },
  );

  test("that ends in a call tells so also where what it started holds its output open", async () => {
    const { address } = await served();
    expect(await call(address, "spawn", {}, one)).toBe("spawned");
    const failed = await rpc(address, "tools/call", { name: "die", arguments: {} }, one);
    expect(failed).toMatchObject({ error: { message: expect.stringContaining("exit code 7") } });
    expect(await call(address, "count", {}, one)).toBe("1");
  });

  test("may print on its standard output whatever it likes", async () => {
    const { address, line } = await served();
    expect(await call(address, "garbage", {}, one)).toBe("still here");
    expect(await call(address, "garbage")).toBe("still here");
    for (const text of ["hello from stdout", "not json", '{"half": ', "42"]) {
      expect(await line((l) => l.text === text)).toMatchObject({ stream: "stdout" });
    }
  });

  test("may flood its log without harm to others", async () => {
    const { address, line } = await served();
    const flooding = call(address, "flood", {}, one);
    expect(await call(address, "count", {}, two)).toBe("1");
    expect(await flooding).toBe("flooded");
    await line((l) => l.text === "flood 19999");
  });
});

describe("The processes of a bridge", () => {
  test("are never more than their number: the longest unused ends, and when all are at work the call is refused in words", async () => {
    const { address, line } = await served({ bridgeProcesses: 3 });
    const ids = [1, 2, 3, 4].map((i) => session(String(i).repeat(32)));
    const pids = new Set<string>();
    for (const id of ids) pids.add(await call(address, "pid", {}, id));
    expect(pids.size).toBe(4);
    // The first one's made room for the others.
    expect(await call(address, "count", {}, ids[0])).toBe("1");
    let slow = 0;
    const all = line((l) => l.text === "slow began" && ++slow === 3);
    const calls = ids.slice(0, 3).map((id, i) => call(address, "slow", { text: `${i}` }, id));
    await all;
    const refused = await rpc(address, "tools/call", { name: "count" }, ids[3]);
    expect(refused).toMatchObject({
      status: 503,
      error: {
        message: expect.stringContaining("All 3 processes that this instance has room for are at work"),
      },
    });
    for (const id of ids.slice(0, 3)) expect(await call(address, "release", {}, id)).toBe("released");
    expect(await Promise.all(calls)).toEqual(["slow 0", "slow 1", "slow 2"]);
    expect(await call(address, "count", {}, ids[3])).toBe("1");
  });

  test("are one for the calls of a session that come at the same time, none of which comes before the handshake", async () => {
    const { address } = await served();
    const pids = await Promise.all(Array.from({ length: 10 }, () => call(address, "pid", {}, one)));
    expect(new Set(pids).size).toBe(1);
    const names = await Promise.all(Array.from({ length: 10 }, () => call(address, "who", {}, two)));
    expect(new Set(names)).toEqual(new Set(["two"]));
  });

  test("end with their session, together with what they started", async () => {
    const { address, children } = await served();
    expect(await call(address, "count", {}, one)).toBe("1");
    expect(await call(address, "spawn", {}, one)).toBe("spawned");
    expect(children()).toBe(3);
    expect(await post(address, null, one, "DELETE")).toBe(204);
    expect(children()).toBe(1);
    expect(await call(address, "count", {}, one)).toBe("1");
  });

  test("end with the instance", async () => {
    const { address, runner, target, children } = await served();
    await call(address, "spawn", {}, one);
    await call(address, "count", {}, two);
    expect(children()).toBe(4);
    await runner.retire(target);
    expect(children()).toBe(0);
  });

  test("are told when the client of a call that stands alone leaves, and not when a session's does", async () => {
    const { address, line } = await served();
    let slow = 0;
    const both = line((l) => l.text === "slow began" && ++slow === 2);
    const alone = start(address, "slow", { text: "alone" }, {});
    const inSession = start(address, "slow", { text: "in session" }, one);
    await both;
    alone.destroy();
    inSession.destroy();
    expect((await line((l) => l.text.startsWith("cancelled"))).text).toMatch(/^cancelled \d+$/);
    expect(await call(address, "count", {}, one)).toBe("1");
    // The same process answers: a client that left cost nothing but its call.
    expect(await call(address, "release")).toBe("released");
    expect(await call(address, "count")).toBe("1");
  });
});

describe("What needs a bridge", () => {
  const inMain = (run: string): string => `from mcp.server.fastmcp import FastMCP
mcp = FastMCP("late")
def main():
    @mcp.tool()
    def add(a: int, b: int) -> int:
        return a + b
    ${run}
if __name__ == "__main__":
    main()
`;

  test.each([
    [
      "a server whose tools only main() registers, although it would serve HTTP",
      { "main.py": inMain('mcp.run(transport="streamable-http")') },
      {},
      /^Program `mcp`, found by running main\.py: the object 'mcp' has no tools, prompts or resources when it is loaded/,
    ],
    [
      "a server that a console script of a package makes",
      {
        "src/tool/__init__.py": "",
        "src/tool/words.py": "NAME = 'made'",
        "src/tool/cli.py": `from .words import NAME
def run():
    from mcp.server.fastmcp import FastMCP
    made = FastMCP(NAME)
    @made.tool()
    def add(a: int, b: int) -> int:
        return a + b
    made.run()
`,
      },
      { entrypoint: "src/tool/cli.py", program: "tool.cli:run", pythonPath: ["src"] },
      /^Program `tool\.cli:run`, found by running the console script tool\.cli:run/,
    ],
    [
      "a program that reads its standard input as soon as it is imported",
      {
        "main.py": `import json
tool = {"name": "add", "inputSchema": {"type": "object"}}
while True:
    message = json.loads(input())
    if message.get("method") == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "r", "version": "1"}}
    elif message.get("method") == "tools/list":
        result = {"tools": [tool]}
    elif message.get("method") == "tools/call":
        a = message["params"]["arguments"]
        result = {"content": [{"type": "text", "text": str(a["a"] + a["b"])}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
`,
      },
      {},
      /^Program `main\.py`/,
    ],
    [
      "a package's own __main__ with relative imports and arguments",
      {
        "tool/__init__.py": "",
        "tool/words.py": "NAME = 'made'",
        "tool/__main__.py": `import sys
from .words import NAME
def main():
    from mcp.server.fastmcp import FastMCP
    made = FastMCP(NAME)
    if sys.argv[1:] == ["--adding"]:
        @made.tool()
        def add(a: int, b: int) -> int:
            return a + b
    made.run()
if __name__ == "__main__":
    main()
`,
      },
      { entrypoint: "tool/__main__.py", argv: ["--adding"] },
      /^Program `tool\/__main__\.py`/,
    ],
  ])("%s", async (_, files: Record<string, string>, rest, described) => {
    const { runner, deploy } = await world();
    const target = await deploy({ files, ...rest, environment: await environment(mcp1) });
    const { address, description } = await runner.acquire(target);
    expect(description).toMatch(described);
    expect(await rpc(address, "tools/list", {})).toMatchObject({ tools: [{ name: "add" }] });
    expect(await call(address, "add", { a: 2, b: 3 })).toBe("5");
    expect(await call(address, "add", { a: 2, b: 3 }, one)).toBe("5");
  });

  test("an empty server that cannot be run is served as it is, and says what was tried", async () => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: {
        "main.py": `from mcp.server.fastmcp import FastMCP\nmcp = FastMCP("x")\nif __name__ == "__main__":\n    raise SystemExit("no")\n`,
      },
      environment: await environment(mcp1),
    });
    const { address, description } = await runner.acquire(target);
    expect(description).toMatch(
      /^FastMCP server `mcp` .*running main\.py did not help: it ended with exit code 1/,
    );
    expect(await rpc(address, "tools/list", {})).toMatchObject({ tools: [] });
  });
});

describe("A program that cannot be served fails in words of what was tried", () => {
  const failing = async (source: string, options: Partial<LocalRunnerOptions> = {}) => {
    const { runner, deploy }: World = await world(options);
    return startError(
      runner.acquire(await deploy({ files: { "main.py": source }, environment: await environment(none) })),
    );
  };
  const main = (body: string): string =>
    `import os, sys\ndef main():\n    ${body}\nif __name__ == "__main__":\n    main()\n`;

  test("when it ends: its exit code and its last lines", async () => {
    const error = await failing(main('print("I need a printer", file=sys.stderr); sys.exit(4)'));
    expect(error).toMatchObject({
      reason: "load",
      code: "server_object_missing",
      traceback: "I need a printer",
    });
    expect(error.message).toBe(
      "Loading main.py gave no server object, and running main.py as a program gave none either: it ended with exit code 4 before it answered `initialize` on its standard input.",
    );
    expect(error.hint).toContain('"deployment": {"args"');
  });

  test("when it fails: why, as for code that fails when it is loaded", async () => {
    const error = await failing(main('print(os.environ["PRINTER_KEY"])'));
    expect(error.missing).toEqual(["PRINTER_KEY"]);
    expect(error.message).toMatch(
      /^The environment variable PRINTER_KEY is not set\. Loading main\.py gave no/,
    );
    expect(error.traceback).toContain('File "main.py", line 3, in main');
  });

  test("when it does not answer in time", async () => {
    const error = await failing(main("import time; time.sleep(600)"), { startTimeoutMs: 5000 });
    expect(error.message).toMatch(
      /it did not answer `initialize` on its standard input within [123] seconds\.$/,
    );
  });

  test("when there is nothing to run, it is not run", async () => {
    const error = await failing("def helper():\n    return 1\n");
    expect(error.message).toBe("No server object was found in main.py.");
  });
});

import { expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { fastmcp3, fastmcpServer, mcpserver, startError, world } from "./harness.ts";

const cases: {
  what: string;
  files: Record<string, string>;
  requirements?: string[];
  object?: string;
  entrypoint?: string;
  message: RegExp;
  hint: RegExp;
}[] = [
  {
    what: "an entrypoint that is not there",
    files: { "other.py": "" },
    message: /^The entrypoint main\.py does not exist/,
    hint: /Name the file/,
  },
  {
    what: "a module that is not installed",
    files: { "main.py": "import numpy.linalg\n", "pyproject.toml": "" },
    message: /^The module 'numpy' is not installed/,
    hint: /Add "numpy" to dependencies of \[project\] in pyproject\.toml/,
  },
  {
    what: "a variable that is not set",
    files: { "main.py": "import os\nKEY = os.environ['API_KEY']\n" },
    message: /^The environment variable API_KEY is not set/,
    hint: /\.\/offing env set SERVER API_KEY=VALUE/,
  },
  {
    what: "arguments parsed at import",
    files: {
      "main.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('path')\np.parse_args()\n",
    },
    message: /parses a command line while importing main\.py, and ended itself \(exit code 2\)/,
    hint: /[Aa]rgument parsing.*give path in fastmcp\.json/,
  },
  {
    what: "an error of syntax",
    files: { "main.py": "def (:\n" },
    message: /^SyntaxError while importing main\.py/,
    hint: /^Mend the line .* This is Python 3\./,
  },
  {
    what: "no server object",
    files: { "main.py": "x = 1\n" },
    message: /^No server object was found in main\.py/,
    hint: /mcp, server or app/,
  },
  {
    what: "an object that is not there",
    files: { "main.py": fastmcpServer("") },
    object: "gone",
    message: /^main\.py has no object named 'gone'/,
    hint: /are: mcp/,
  },
  {
    what: "a factory that gives something else",
    files: { "main.py": "def make():\n    return 5\n" },
    object: "make",
    message: /gives a int, which is no MCP server/,
    hint: /FastMCP, MCPServer or low-level Server object/,
  },
  {
    what: "an import that only the SDK 1 has",
    requirements: mcpserver,
    files: { "main.py": "from mcp.server.fastmcp import FastMCP\n" },
    message: /^The installed mcp 2\.\S+ has no module 'mcp\.server\.fastmcp'/,
    hint: /mcp<2/,
  },
  {
    what: "a lifespan that fails",
    requirements: fastmcp3,
    files: {
      "main.py": `from contextlib import asynccontextmanager
from fastmcp import FastMCP
@asynccontextmanager
async def life(server):
    raise RuntimeError("no database")
    yield
mcp = FastMCP("x", lifespan=life)
`,
    },
    message: /RuntimeError while starting the server \(its lifespan\): no database/,
    hint: /done at every start/,
  },
];

test.each(cases)("$what is named, with what to do", async (one) => {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: one.files,
    object: one.object ?? null,
    ...(one.requirements === undefined ? {} : { environment: await environment(one.requirements) }),
  });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ name: "StartError", reason: "load" });
  expect(error.message).toMatch(one.message);
  expect(error.hint ?? "").toMatch(one.hint);
});

test("a traceback shows the author's frames only, with paths of the repository", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: { "main.py": "import lib.deep\n", "lib/deep.py": "import json\njson.loads('{')\n" },
  });
  const { traceback } = await startError(runner.acquire(target));
  expect(traceback).toContain('File "main.py", line 1');
  expect(traceback).toContain('File "lib/deep.py", line 2');
  expect(traceback).not.toMatch(/decoder\.py|offing|\/code/);
});

test("a server that never gets ready is ended after its time; where it is held up and its last lines are told", async () => {
  const { runner, deploy } = await world({ startTimeoutMs: 3000 });
  const target = await deploy({ files: { "main.py": "import time\nprint('waiting')\ntime.sleep(600)\n" } });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "timeout", output: ["waiting"] });
  expect(error.message).toBe("The server was not ready after 3 seconds: it was still in main.py, line 3.");
  expect(error.traceback).toContain("time.sleep(600)");
});

test("a lifespan that never goes on is told with the line at which it waits", async () => {
  const { runner, deploy } = await world({ startTimeoutMs: 5000 });
  const target = await deploy({
    files: {
      "main.py": `import asyncio
from contextlib import asynccontextmanager
from fastmcp import FastMCP
async def connect():
    await asyncio.sleep(600)
@asynccontextmanager
async def life(server):
    await connect()
    yield
mcp = FastMCP("x", lifespan=life)
`,
    },
  });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "timeout" });
  expect(error.traceback).toMatch(/line 5, in connect\n    await asyncio\.sleep\(600\)/);
});

test("a server that holds the interpreter itself is ended after its time too", async () => {
  const { runner, deploy } = await world({ startTimeoutMs: 2000 });
  // A regular expression that never ends keeps every other thread from running.
  const target = await deploy({
    files: { "main.py": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')\n" },
  });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "timeout" });
  expect(error.message).toContain("2 seconds");
});

test("a native module that crashes is told with the signal and the call", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: { "main.py": "import ctypes\ndef crash():\n    ctypes.string_at(1)\ncrash()\n" },
  });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "exited", code: "crashed" });
  expect(error.message).toBe("The server ended before it was ready: it was ended by signal 11 (SIGSEGV).");
  expect(error.hint).toContain("native module");
  expect(error.output.join("\n")).toMatch(/main\.py", line 3 in crash/);
});

test("a server that dies while it starts is told with its exit code", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": "import os\nprint('bye')\nos._exit(7)\n" } });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "exited", output: ["bye"] });
  expect(error.message).toContain("exit code 7");
});

test("a server that ends itself with the exit code of a killed one is told with that code too", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": "import os\nos._exit(137)\n" } });
  const error = await startError(runner.acquire(target));
  expect(error.message).toMatch(/exit code 137\.$/);
});

test("a server that fails to start is not tried again at once, and says when it will be", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": "import nothing_like_it\n" } });
  await startError(runner.acquire(target));
  const error = await startError(runner.acquire(target));
  expect(error.message).toMatch(
    /'nothing_like_it' is not installed\. It failed once; the next start is possible in 1 s/,
  );
});

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
    hint: /Add the package that provides 'numpy' to pyproject\.toml/,
  },
  {
    what: "a variable that is not set",
    files: { "main.py": "import os\nKEY = os.environ['API_KEY']\n" },
    message: /^The environment variable API_KEY is not set/,
    hint: /Set the variable API_KEY/,
  },
  {
    what: "arguments parsed at import",
    files: {
      "main.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('path')\np.parse_args()\n",
    },
    message: /ended itself while importing main\.py \(exit code 2\)/,
    hint: /argument parsing/,
  },
  {
    what: "an error of syntax",
    files: { "main.py": "def (:\n" },
    message: /^SyntaxError while importing main\.py/,
    hint: /^$/,
  },
  {
    what: "no server object",
    files: { "main.py": "x = 1\n" },
    message: /^No server object was found in main\.py/,
    hint: /mcp, server or app/,
  },
  {
    what: "a server under another name",
    files: { "main.py": fastmcpServer("weather = mcp\ndel mcp") },
    message: /one named weather/,
    hint: /main\.py:weather/,
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
    hint: /FastMCP or MCPServer/,
  },
  {
    what: "a low-level server",
    files: { "main.py": "from mcp.server.lowlevel import Server\nserver = Server('x')\n" },
    message: /main\.py:server is a low-level Server of the MCP SDK, which this release does not serve yet/,
    hint: /FastMCP 3 and 4/,
  },
  {
    what: "the SDK's FastMCP 1",
    requirements: ["mcp>=1,<2"],
    files: { "main.py": "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x')\n" },
    message: /main\.py:mcp is a FastMCP server of the MCP SDK 1\.x/,
    hint: /FastMCP 3 and 4/,
  },
  {
    what: "FastMCP 2",
    requirements: ["fastmcp>=2,<3"],
    files: { "main.py": "from fastmcp import FastMCP\nmcp = FastMCP('x')\n" },
    message: /main\.py:mcp is a FastMCP 2\.\S+ server/,
    hint: /FastMCP 3 and 4/,
  },
  {
    what: "an import that only the SDK 1 has",
    requirements: mcpserver,
    files: { "main.py": "from mcp.server.fastmcp import FastMCP\n" },
    message: /^The installed version of mcp has no module 'mcp\.server\.fastmcp'/,
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
    hint: /^$/,
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

test("a server that never gets ready is ended after its time and its last lines are told", async () => {
  const { runner, deploy } = await world({ startTimeoutMs: 3000 });
  const target = await deploy({ files: { "main.py": "import time\nprint('waiting')\ntime.sleep(600)\n" } });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "timeout", output: ["waiting"] });
  expect(error.message).toContain("3 seconds");
});

test("a server that dies while it starts is told with its exit code", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": "import os\nprint('bye')\nos._exit(7)\n" } });
  const error = await startError(runner.acquire(target));
  expect(error).toMatchObject({ reason: "exited", output: ["bye"] });
  expect(error.message).toContain("exit code 7");
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

import { expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { call, fastmcp3, fastmcp4, fastmcpServer, mcpserver, rpc, world } from "./harness.ts";

const add = `@mcp.tool
def add(a: int, b: int) -> int:
    return a + b
`;

test.each([
  ["FastMCP 3", fastmcp3, fastmcpServer(add)],
  ["FastMCP 4", fastmcp4, fastmcpServer(add)],
  [
    "the SDK's MCPServer",
    mcpserver,
    `from mcp.server import MCPServer\nmcp = MCPServer("fixture")\n@mcp.tool()\ndef add(a: int, b: int) -> int:\n    return a + b\n`,
  ],
])("a server of %s is listed and called", async (_, requirements, source) => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": source }, environment: await environment(requirements) });
  const { address } = await runner.acquire(target);
  const listed = await rpc(address, "tools/list", {});
  expect((listed["tools"] as { name: string }[]).map((tool) => tool.name)).toEqual(["add"]);
  expect(await call(address, "add", { a: 2, b: 3 })).toBe("5");
});

test.each([
  ["FastMCP 3", fastmcp3],
  ["FastMCP 4", fastmcp4],
])(
  "state set in one call of %s is there in the next of the same session id, and in no other",
  async (_, requirements) => {
    const { runner, deploy } = await world();
    const source = fastmcpServer(`
@mcp.tool
async def put(value: str, ctx: Context) -> str:
    await ctx.set_state("k", value)
    return "kept"
@mcp.tool
async def get(ctx: Context) -> str:
    return str(await ctx.get_state("k"))
`);
    const target = await deploy({
      files: { "main.py": source },
      environment: await environment(requirements),
    });
    const { address } = await runner.acquire(target);
    await call(address, "put", { value: "mine" }, { "mcp-session-id": "one" });
    expect(await call(address, "get", {}, { "mcp-session-id": "one" })).toBe("mine");
    expect(await call(address, "get", {}, { "mcp-session-id": "two" })).toBe("None");
  },
);

test("modules beside the entrypoint, in named folders and at the root are importable, in that order, the root after the packages", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({
    entrypoint: "app/main.py",
    pythonPath: ["src"],
    files: {
      "app/main.py": fastmcpServer(`
import first, second, third, fourth
@mcp.tool
def where() -> str:
    return " ".join([first.HERE, second.HERE, third.HERE, fourth.HERE, os.getcwd(), str(sys.argv[1:])])
`),
      "app/first.py": "HERE = 'app'",
      "first.py": "HERE = 'root'",
      "second.py": "HERE = 'root'",
      "fourth.py": "HERE = 'root'",
      // The packages of the same names are installed, and the server needs them.
      "mcp/__init__.py": "raise RuntimeError('the root hides mcp')",
      "anyio.py": "raise RuntimeError('the root hides anyio')",
      "src/second.py": "HERE = 'src'",
      "src/third.py": "HERE = 'src'",
    },
  });
  const { address } = await runner.acquire(target);
  expect(await call(address, "where")).toBe("app src src root /code []");
});

test.each([
  ["a plain factory", "def make():\n    return FastMCP('made')\n"],
  ["an asynchronous factory", "async def make():\n    return FastMCP('made')\n"],
])("%s that is named is called and its server served", async (_, body) => {
  const { runner, deploy } = await world();
  const target = await deploy({ object: "make", files: { "main.py": fastmcpServer(body) } });
  const { address } = await runner.acquire(target);
  expect(await rpc(address, "tools/list", {})).toMatchObject({ tools: [] });
});

test("variables of the scope reach the server, and the platform's own environment does not", async () => {
  process.env["OFFING_CANARY"] = "platform";
  const { runner, deploy } = await world();
  const target = await deploy({
    variables: { TOKEN: "s3cret" },
    files: {
      "main.py": fastmcpServer(`
TOKEN = os.environ["TOKEN"]
@mcp.tool
def seen() -> str:
    return TOKEN + " " + str("OFFING_CANARY" in os.environ)
`),
    },
  });
  const { address } = await runner.acquire(target);
  expect(await call(address, "seen")).toBe("s3cret False");
});

test("what Python prints during a request carries its id, also from threads and without a newline; what C prints does not", async () => {
  const { runner, deploy, line } = await world();
  const target = await deploy({
    files: {
      "main.py": fastmcpServer(`
import subprocess, asyncio, logging
print("at import")
@mcp.tool
def plain() -> str:
    print("from a thread")
    print("no newline", end="", file=sys.stderr)
    subprocess.run(["/bin/echo", "from a child"])
    return "ok"
@mcp.tool
async def slow(name: str, ctx: Context) -> str:
    print(name, end=" ")
    await asyncio.sleep(0.05)
    print(name)
    logging.getLogger("mine").warning("logged " + name)
    return "ok"
@mcp.tool
def headers() -> str:
    from fastmcp.server.dependencies import get_http_headers
    return str(sorted(get_http_headers(include_all=True)))
`),
    },
  });
  const { address } = await runner.acquire(target);
  expect(await line((l) => l.text === "at import")).toMatchObject({ stream: "stdout", request: null });
  await call(address, "plain", {}, { "offing-request-id": "req_1" });
  expect(await line((l) => l.text === "from a thread")).toMatchObject({ stream: "stdout", request: "req_1" });
  expect(await line((l) => l.text === "no newline")).toMatchObject({ stream: "stderr", request: "req_1" });
  expect(await line((l) => l.text === "from a child")).toMatchObject({ stream: "stdout", request: null });
  await Promise.all(
    ["a", "b"].map((name) => call(address, "slow", { name }, { "offing-request-id": `req_${name}` })),
  );
  expect(await line((l) => l.text === "a a")).toMatchObject({ request: "req_a" });
  expect(await line((l) => l.text === "b b")).toMatchObject({ request: "req_b" });
  expect(await line((l) => l.text.includes("logged b"))).toMatchObject({
    stream: "stderr",
    request: "req_b",
  });
  expect(await call(address, "headers", {}, { "offing-request-id": "req_2" })).not.toContain("offing");
});

test("code may set up its standard input while it is loaded", async () => {
  const { runner, deploy } = await world();
  const source = `import sys\nsys.stdin.reconfigure(encoding="utf-8")\n${fastmcpServer(add)}`;
  const target = await deploy({ files: { "main.py": source }, environment: await environment(fastmcp4) });
  const { address } = await runner.acquire(target);
  expect(await call(address, "add", { a: 2, b: 3 })).toBe("5");
});

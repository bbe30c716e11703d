import { describe, expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { call, fastmcp2, fastmcp3, fastmcp4, mcp1, rpc, world } from "./harness.ts";

describe("A file that tries its own server when it is imported is served with what it makes after that too", () => {
  const tried = (head: string, trial: string): string => `${head}
@mcp.tool()
def first() -> str:
    return "1"
async def check():
    ${trial}
import asyncio
asyncio.run(check())
@mcp.tool()
def second() -> str:
    return "2"
`;
  const withClient = tried(
    "from fastmcp import FastMCP, Client\nmcp = FastMCP('x')",
    "async with Client(mcp) as c: await c.list_tools()",
  );
  test.each([
    ["FastMCP 2", fastmcp2, withClient],
    ["FastMCP 3", fastmcp3, withClient],
    ["FastMCP 4", fastmcp4, withClient],
    [
      "the SDK's FastMCP",
      mcp1,
      tried(
        "from mcp.server.fastmcp import FastMCP\nfrom mcp.shared.memory import create_connected_server_and_client_session as to\nmcp = FastMCP('x')",
        "async with to(mcp._mcp_server) as c: await c.list_tools()",
      ),
    ],
  ])("%s", async (_, requirements, source) => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: { "main.py": source },
      environment: await environment(requirements),
    });
    const { address, description } = await runner.acquire(target);
    expect(description).not.toContain("starts its own server");
    expect(await rpc(address, "tools/list", {})).toMatchObject({
      tools: [{ name: "first" }, { name: "second" }],
    });
  });
});

describe("Of several servers in a file", () => {
  const made = (name: string): string =>
    `from mcp.server.fastmcp import FastMCP\n${name} = FastMCP("${name}")\n@${name}.tool()\ndef ${name}_tool() -> str:\n    return "x"\n`;
  test.each([
    [
      "its own is served before one that it imports",
      `from other import app\n${made("weather")}`,
      "weather",
      "the server object that main.py makes or runs",
    ],
    [
      "the one that it runs is served",
      `${made("tides")}${made("weather")}if __name__ == "__main__":\n    weather.run()\n`,
      "weather",
      "the server object that main.py makes or runs",
    ],
    [
      "one that it imports and runs is served, and said to be imported",
      `from other import app\n${made("weather")}if __name__ == "__main__":\n    app.run()\n`,
      "app",
      "found by loading main.py, imported from other",
    ],
    [
      "one that it imports is served where its own is only a part of it",
      `from other import app\n${made("weather")}def join():\n    app.mount(weather)\n`,
      "app",
      "found by loading main.py, imported from other",
    ],
  ])("%s", async (_, source, name, why) => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: { "main.py": source, "other.py": made("app") },
      environment: await environment(mcp1),
    });
    const { address, description } = await runner.acquire(target);
    expect(description).toContain(why);
    expect(await rpc(address, "tools/list", {})).toMatchObject({ tools: [{ name: `${name}_tool` }] });
  });
});

describe("A server that is empty when it is loaded, and has a lifespan", () => {
  const source = (make: string, inLifespan: string, inMain: string): string => `import contextlib
def late() -> str:
    return "late"
@contextlib.asynccontextmanager
async def life(server):
    ${inLifespan}
    yield {}
${make}
if __name__ == "__main__":
    ${inMain}
    mcp.run()
`;
  const adding = "mcp.add_tool(late)";
  const sdk = "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x', lifespan=life)";
  const three = "from fastmcp import FastMCP\nmcp = FastMCP('x', lifespan=life)";
  const tool = "mcp.tool(late)";
  test.each([
    ["the SDK's FastMCP", mcp1, source(sdk, adding, "pass")],
    ["FastMCP 2", fastmcp2, source(three, tool, "pass")],
    ["FastMCP 4", fastmcp4, source(three, tool, "pass")],
  ])("of %s is served as it is when the lifespan adds to it", async (_, requirements, main) => {
    const { runner, deploy } = await world();
    const target = await deploy({ files: { "main.py": main }, environment: await environment(requirements) });
    const { address, description } = await runner.acquire(target);
    expect(description).not.toContain("one process per session");
    expect(description).not.toContain("standard input");
    expect(await call(address, "late")).toBe("late");
  });

  test.each([
    ["the SDK's FastMCP", mcp1, source(sdk, "pass", adding)],
    ["FastMCP 4", fastmcp4, source(three, "pass", tool)],
  ])("of %s is run as a program when only its program adds to it", async (_, requirements, main) => {
    const { runner, deploy } = await world();
    const target = await deploy({ files: { "main.py": main }, environment: await environment(requirements) });
    const { address, description } = await runner.acquire(target);
    expect(description).toContain("has no tools, prompts or resources when it is loaded");
    expect(await call(address, "late")).toBe("late");
  });
});

test("What a file starts when it is loaded is ended before it is run as a program", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: {
      "main.py": `import os, subprocess
subprocess.Popen(["sh", "-c", "sleep 4242; true"])
def alive(pid):
    with open(f"/proc/{pid}/stat") as file:
        return ") Z " not in file.read()
def main():
    from mcp.server.fastmcp import FastMCP
    mcp = FastMCP("x")
    @mcp.tool()
    def sleepers() -> int:
        found = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    found += file.read().startswith("sleep\\0004242") and alive(pid)
            except OSError:
                pass
        return found
    mcp.run()
if __name__ == "__main__":
    main()
`,
    },
    environment: await environment(mcp1),
  });
  const { address } = await runner.acquire(target);
  expect(await call(address, "sleepers")).toBe("1");
});

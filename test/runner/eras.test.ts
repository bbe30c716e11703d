import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { offerRunner } from "../../src/runner/leases.ts";
import { connectRunner } from "../../src/runner/remote.ts";
import { environment } from "../fixtures/environments.ts";
import { fastmcp3, fastmcp4, mcpserver, world } from "./harness.ts";

/** What both frameworks' servers below have in common. */
const helpers = `from helpers import Asker, confirm, remembered

`;
const helperFile = `import functools


async def confirm(ctx, kind=str):
    answer = await ctx.elicit("Sure?", kind)
    return str(answer)


class Asker:
    @staticmethod
    async def where(ctx):
        return str(await ctx.session.list_roots())


def remembered(function):
    @functools.wraps(function)
    async def wrapper(*rest, **given):
        return await function(*rest, **given)

    return wrapper


class Trap:
    """Whoever asks it anything runs its code."""

    def __getattribute__(self, name):
        print("a trap was sprung:", name)
        raise RuntimeError(name)
`;

const fastmcp = `import random

from fastmcp import Context, FastMCP
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from helpers import Trap

${helpers}
mcp = FastMCP("Eras")
trap = Trap()


@mcp.tool
async def direct(ctx: Context) -> str:
    return str(await ctx.elicit("Sure?", str))


@mcp.tool
@remembered
async def through_a_helper(ctx: Context) -> str:
    return await confirm(ctx)


@mcp.tool
async def roots(ctx: Context) -> str:
    return await Asker.where(ctx)


@mcp.tool
async def guard(ctx: Context) -> str | InputRequiredResult:
    return "nothing to ask"


@mcp.tool
async def either(ctx: Context) -> str:
    if ctx.input_responses:
        return "answered"
    return str(await ctx.elicit("Sure?", str))


@mcp.tool
def plain() -> int:
    return random.sample([1], 1)[0] + len(str(type(trap)))


@mcp.prompt
async def asking(ctx: Context) -> str:
    return await confirm(ctx)


@mcp.resource("eras://asking")
async def resource(ctx: Context) -> str:
    return await confirm(ctx)


@mcp.resource("eras://{name}/asking")
async def template(name: str, ctx: Context) -> str:
    return await confirm(ctx)


inner = FastMCP("Inner")


@inner.tool
async def deep(ctx: Context) -> str:
    return await confirm(ctx)


mcp.mount(inner, namespace="inner")
`;

const sdk = `from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult
from pydantic import BaseModel

${helpers}
mcp = MCPServer("Eras")


class Answer(BaseModel):
    sure: bool


@mcp.tool()
async def direct(ctx: Context) -> str:
    return await confirm(ctx, Answer)


@mcp.tool()
async def guard(ctx: Context) -> str | InputRequiredResult:
    return "nothing to ask"


@mcp.prompt()
async def asking(ctx: Context) -> str:
    return await confirm(ctx, Answer)


@mcp.tool()
def plain() -> int:
    return 1
`;

describe("What an instance says of its capabilities' eras", () => {
  test("is which of them send requests to the client, and which ask for input with their result; in FastMCP 4 also through helpers, decorators and mounts, and without running any of it [R:eras.inspected]", async () => {
    const { runner, lines, deploy } = await world();
    const target = await deploy({
      files: { "main.py": fastmcp, "helpers.py": helperFile },
      environment: await environment(fastmcp4),
    });
    const lease = await runner.acquire(target);
    expect(lease.eras).toEqual([
      { kind: "tool", name: "direct", era: "handshake" },
      { kind: "tool", name: "through_a_helper", era: "handshake" },
      { kind: "tool", name: "roots", era: "handshake" },
      { kind: "tool", name: "guard", era: "stateless" },
      { kind: "prompt", name: "asking", era: "handshake" },
      { kind: "resource", name: "eras://asking", era: "handshake" },
      { kind: "resource_template", name: "eras://{name}/asking", era: "handshake" },
      { kind: "tool", name: "inner_deep", era: "handshake" },
    ]);
    expect(lines.map(({ text }) => text).join("\n")).not.toContain("trap");
    lease.release();
  });

  test("is told of an MCPServer too, and reaches another process with the lease", async () => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: { "main.py": sdk, "helpers.py": helperFile },
      environment: await environment(mcpserver),
    });
    const socket = join(mkdtempSync(join(tmpdir(), "og-")), "c");
    const offered = await offerRunner(runner, socket);
    onTestFinished(() => offered.close());
    const remote = await connectRunner(socket);
    onTestFinished(() => remote.close());
    const lease = await remote.acquire(target);
    expect(lease.eras).toEqual([
      { kind: "tool", name: "direct", era: "handshake" },
      { kind: "tool", name: "guard", era: "stateless" },
      { kind: "prompt", name: "asking", era: "handshake" },
    ]);
    lease.release();
  });

  test("keeps no server of one era from starting", async () => {
    const { runner, deploy } = await world();
    const main = `from fastmcp import Context, FastMCP

mcp = FastMCP("Old")


@mcp.tool
async def direct(ctx: Context) -> str:
    return str(await ctx.elicit("Sure?", str))
`;
    const target = await deploy({ files: { "main.py": main }, environment: await environment(fastmcp3) });
    const lease = await runner.acquire(target);
    expect(lease.description).toContain("FastMCP 3");
    lease.release();
  });
});

import type { Program } from "../program.ts";
import { deployed } from "../deploy.ts";

/** A server whose calls can be held, for programs with several gateway processes. */
export const endpoint = "/default/shared/mcp";
export const hello = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "t", version: "1" },
};
export const server = {
  "requirements.txt": "fastmcp>=4,<5\n",
  "main.py": `import asyncio

from fastmcp import Context, FastMCP

mcp = FastMCP("Workers")
released = {}


@mcp.tool
async def answer() -> str:
    return "one"


@mcp.tool
async def hold(name: str, ctx: Context) -> str:
    released[name] = asyncio.Event()
    await ctx.report_progress(1, 2)
    await released[name].wait()
    return "released"


@mcp.tool
async def release(name: str) -> str:
    released[name].set()
    return "done"


@mcp.tool
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Your name?", response_type=str)
    return f"{answer.action} {answer.data}"


@mcp.tool
async def ask_unseen(ctx: Context) -> str:
    answer = await getattr(ctx, "eli" + "cit")("Your name?", response_type=str)
    return f"{answer.action} {answer.data}"
`,
};

export const callTool = (name: string, args: object = {}, more: object = {}) => ({
  method: "tools/call",
  params: { name, arguments: args, ...more },
});
/** A call that stands until it is released, once it has told of its progress. */
export const hold = (name: string) => callTool("hold", { name }, { _meta: { progressToken: name } });
export const isProgress = (data: string) => data.includes("notifications/progress");

/** Deploys it as `shared`. */
export async function deployShared(program: Program): Promise<void> {
  const { build } = await deployed(program.owner, "shared", server);
  if (build.error !== null) throw new Error(JSON.stringify(build.error));
}

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callText, deployed, mcpClient } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
const at = { organization: "default", server: "eras" };

/** Every tool answers with the revision in which its server was spoken to, unless that refuses it. */
const main = `from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_headers
import mcp_types
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

mcp = FastMCP("Eras")
runs = []


def spoken() -> str:
    return get_http_headers(include_all=True)["mcp-protocol-version"]


@mcp.tool
async def eliciting(ctx: Context) -> str:
    return spoken() if ctx else str(await ctx.elicit("Sure?", str))


@mcp.tool
async def guarding(ctx: Context) -> str | InputRequiredResult:
    return spoken()


@mcp.tool
async def keep(ctx: Context) -> str:
    await ctx.set_state("spoken", spoken())
    return spoken() if ctx else str(await ctx.elicit("Sure?", str))


@mcp.tool
async def kept(ctx: Context) -> str | InputRequiredResult:
    return f"{await ctx.get_state('spoken')} in {spoken()}"


@mcp.tool
async def hidden_elicit(ctx: Context) -> str:
    runs.append("hidden_elicit")
    if spoken() >= "2026":
        await getattr(ctx, "eli" + "cit")("Sure?", str)
    return spoken()


@mcp.tool
async def hidden_roots(ctx: Context) -> str:
    if spoken() >= "2026":
        await getattr(ctx.session, "list_" + "roots")()
    return spoken()


@mcp.tool(output_schema=None)
async def hidden_guard():
    if spoken() < "2026":
        form = ElicitRequestFormParams(message="Sure?", requested_schema={"type": "object", "properties": {}})
        return getattr(mcp_types, "Input" + "RequiredResult")(input_requests={"sure": ElicitRequest(params=form)})
    return spoken()


@mcp.tool
def quoting() -> str:
    if spoken() >= "2026":
        raise ToolError("A page says: elicitation via server-initiated requests is unavailable on 2026-07-28 connections.")
    return spoken()


@mcp.tool
def ran() -> int:
    return len(runs)


@mcp.resource("eras://{name}/asking")
async def asking(name: str, ctx: Context) -> str:
    return spoken() if ctx else str(await ctx.elicit("Sure?", str))
`;

beforeAll(async () => {
  world = await openWorld();
  await deployed(world.owner, "eras", { "requirements.txt": "fastmcp>=4,<5\n", "main.py": main });
});
afterAll(() => world.close());

const client = (mode: "legacy" | { pin: string }) => mcpClient(world, "default/eras", world.owner.key, mode);
const stateless = () => client({ pin: "2026-07-28" });

describe("A server that speaks both eras", () => {
  it("is spoken to in the one that a capability needs, known from inspection [R:eras.by-inspection]", async () => {
    const modern = await stateless();
    const legacy = await client("legacy");
    expect(await callText(modern, "eliciting")).toBe("2025-11-25");
    expect(await callText(legacy, "eliciting")).toBe("2025-11-25");
    expect(await callText(modern, "guarding")).toBe("2026-07-28");
    expect(await callText(legacy, "guarding")).toBe("2026-07-28");
    const read = await modern.readResource({ uri: "eras://some/asking" });
    expect(read.contents).toMatchObject([{ text: "2025-11-25" }]);
    await modern.close();
    await legacy.close();
  });

  it("keeps one state for a session, in whichever era its capabilities are spoken to [R:eras.one-state]", async () => {
    const legacy = await client("legacy");
    expect(await callText(legacy, "keep")).toBe("2025-11-25");
    expect(await callText(legacy, "kept")).toBe("2025-11-25 in 2026-07-28");
    const other = await client("legacy");
    expect(await callText(other, "kept")).toBe("None in 2026-07-28");
    await legacy.close();
    await other.close();
  });

  it("teaches by its refusal which one a capability needs, and the refused call is not repeated [R:eras.learned]", async () => {
    const modern = await stateless();
    const before = Number(await callText(modern, "ran"));
    expect(await callText(modern, "hidden_elicit")).toContain("server-initiated requests is unavailable");
    expect(Number(await callText(modern, "ran"))).toBe(before + 1);
    expect(await callText(modern, "hidden_elicit")).toBe("2025-11-25");
    expect(await callText(modern, "hidden_roots")).toContain("no back-channel");
    expect(await callText(modern, "hidden_roots")).toBe("2025-11-25");
    await modern.close();
  });

  it("teaches it of a result that asks for input too", async () => {
    const legacy = await client("legacy");
    await expect(callText(legacy, "hidden_guard")).rejects.toThrow("SEP-2322");
    expect(await callText(legacy, "hidden_guard")).toBe("2026-07-28");
    await legacy.close();
  });

  it("teaches nothing by what a tool only quotes [R:eras.not-by-quotation]", async () => {
    const modern = await stateless();
    for (let i = 0; i < 2; i++) expect(await callText(modern, "quoting")).toContain("A page says:");
    await modern.close();
  });

  it("is spoken to in the owner's choice whatever is known [R:eras.owner-decides]", async () => {
    await world.owner.client.call("setServer", at, { upstreamEra: "stateless" });
    const modern = await stateless();
    expect(await callText(modern, "eliciting")).toBe("2026-07-28");
    expect(await callText(modern, "hidden_elicit")).toContain("unavailable");
    await modern.close();
    await world.owner.client.call("setServer", at, { upstreamEra: "auto" });
  });

  it("is spoken to after a restart as its refusals have taught before it [R:eras.learned-durably]", async () => {
    await world.restart();
    const modern = await stateless();
    expect(await callText(modern, "hidden_elicit")).toBe("2025-11-25");
    expect(await callText(modern, "ran")).toBe("1");
    await modern.close();
  });
});

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { HostedServer } from "./hosted.ts";
import { keep } from "./scene.ts";

vi.setConfig({ testTimeout: 120_000 });

const asks = `
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
async def ask(ctx: Context):
    if ctx.input_responses is None:
        params = ElicitRequestFormParams(message="Who are you?", requested_schema=SCHEMA)
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=params)}, request_state="asked")
    return f"{ctx.request_state}: {ctx.input_responses['who'].content['name']}"
`;
const types = "from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult\n";

test.each([
  {
    kind: "FastMCP 4",
    requirements: ["fastmcp>=4,<5"],
    source: `${types}from fastmcp import Context, FastMCP\nmcp = FastMCP("fixture")\n${asks}\nmcp.tool(ask)\n`,
  },
  {
    kind: "MCPServer",
    requirements: ["mcp>=2,<3", "uvicorn"],
    source: `${types}from mcp.server.mcpserver import Context, MCPServer\nmcp = MCPServer("fixture")\n${asks}\nmcp.tool()(ask)\n`,
  },
])(
  "What a tool of $kind asked a person is answered also when its instance was replaced while they thought. [R:stateless-client.state-outlives-instance]",
  async ({ requirements, source }) => {
    const world = keep(await TestGateway.start());
    const server = keep(await HostedServer.start(world, requirements, source));
    const { key } = world.key({ roles: { f: "user" } });
    const client = new Client(
      { name: "test", version: "1" },
      { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: "2026-07-28" } } },
    );
    client.setRequestHandler("elicitation/create", async () => {
      await server.replace();
      return { action: "accept", content: { name: "Ada" } };
    });
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(server.url), { requestInit }));
    const { content } = await client.callTool({ name: "ask", arguments: {} });
    expect(content[0]).toMatchObject({ text: "asked: Ada" });
    await client.close();
  },
);

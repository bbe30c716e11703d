import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type Access, register } from "./gateway.ts";

/**
 * The command that the suite's client scenarios start, with the URL of their
 * server last: registers that server at the gateway that the environment
 * names, and makes the calls that the scenarios wait for through it, with the
 * official client in the revision's era.
 */
const target = process.argv.at(-1)!;
const revision = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"];
const context = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as {
  toolCalls?: { name: string; arguments: Record<string, unknown> }[];
};

const access = process.env as unknown as Access;
const endpoint = await register(access, target);
const client = new Client(
  { name: "conformance", version: "1" },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
    versionNegotiation: { mode: revision === "2026-07-28" ? { pin: revision } : "legacy" },
  },
);
// The user accepts everything and fills in nothing, so that defaults count.
client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));
const transport = new StreamableHTTPClientTransport(new URL(endpoint), {
  requestInit: { headers: { authorization: `Bearer ${access.OFFING_API_KEY}` } },
});
await client.connect(transport);

const offers = client.getServerCapabilities() ?? {};
const { tools } = await client.listTools();
const calls = context.toolCalls ?? tools.map((tool) => ({ name: tool.name, arguments: sample(tool) }));
for (const call of calls) await attempt(() => client.callTool(call));
if (offers.resources !== undefined) {
  const [first] = (await client.listResources()).resources;
  if (first !== undefined) await attempt(() => client.readResource({ uri: first.uri }));
}
if (offers.prompts !== undefined) {
  const [first] = (await client.listPrompts()).prompts;
  if (first !== undefined) await attempt(() => client.getPrompt({ name: first.name }));
}
// So that the gateway lets go of what it held for the session at once.
await transport.terminateSession();
await client.close();

/** A server may refuse a call; whether it was made is what the scenario looks at. */
async function attempt(step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
  }
}

/** Something for each required argument; what echoes a schema gets the other tool's. */
function sample(tool: (typeof tools)[number]): Record<string, unknown> {
  const { properties = {}, required = [] } = tool.inputSchema as {
    properties?: Record<string, { type?: string }>;
    required?: string[];
  };
  const values: Record<string, unknown> = { number: 2, integer: 2, boolean: true, string: "some" };
  const names = new Set([...required, ...(properties["region"] === undefined ? [] : ["region"])]);
  return Object.fromEntries(
    [...names].map((name) => {
      const type = properties[name]?.type ?? "string";
      return [name, type === "object" ? tools.find((each) => each !== tool)?.inputSchema : values[type]];
    }),
  );
}

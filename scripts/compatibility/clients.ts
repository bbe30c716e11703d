import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** What a tool call gave: its text with the structured result as JSON, and whether the tool itself called it an error. */
export interface Answer {
  readonly text: string;
  readonly isError: boolean;
}

/** An MCP client of one era at one endpoint. */
export interface EraClient {
  tools(): Promise<string[]>;
  call(name: string, args: Readonly<Record<string, unknown>>): Promise<Answer>;
  close(): Promise<void>;
}

type Result = {
  content?: { type: string; text?: string }[];
  structuredContent?: unknown;
  isError?: boolean;
};

/** Milliseconds that one request may take; the first one may have to wake the server. */
const PATIENCE = 90_000;

/** The clients of the two eras that every package is called by. */
export const eras: readonly {
  readonly name: "handshake" | "stateless";
  connect(url: string, key: string): Promise<EraClient>;
}[] = [
  { name: "handshake", connect: handshake },
  { name: "stateless", connect: stateless },
];

/** The TypeScript SDK 1.x, which knows only sessions that begin with a handshake. */
async function handshake(url: string, key: string): Promise<EraClient> {
  const client = new Client1({ name: "compatibility-1", version: "1" });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(new Transport1(new URL(url), bearer(key)) as Parameters<Client1["connect"]>[0], {
    timeout: PATIENCE,
  });
  return {
    tools: async () =>
      (await client.listTools(undefined, { timeout: PATIENCE })).tools.map((tool) => tool.name),
    call: async (name, args) =>
      answerOf(
        (await client.callTool({ name, arguments: { ...args } }, undefined, {
          timeout: PATIENCE,
        })) as Result,
      ),
    close: () => client.close(),
  };
}

/** The TypeScript SDK 2.x, told to speak 2026-07-28 and nothing else. */
async function stateless(url: string, key: string): Promise<EraClient> {
  const client = new Client2(
    { name: "compatibility-2", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(new Transport2(new URL(url), bearer(key)), { timeout: PATIENCE });
  return {
    tools: async () =>
      (await client.listTools(undefined, { timeout: PATIENCE })).tools.map((tool) => tool.name),
    call: async (name, args) =>
      answerOf((await client.callTool({ name, arguments: { ...args } }, { timeout: PATIENCE })) as Result),
    close: () => client.close(),
  };
}

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

function answerOf(result: Result): Answer {
  const parts = (result.content ?? []).map((part) => part.text ?? part.type);
  // An empty list may have no part at all, and stand in the structured result only.
  if (result.structuredContent !== undefined) parts.push(JSON.stringify(result.structuredContent));
  return {
    text: parts.join("\n"),
    isError: result.isError === true,
  };
}

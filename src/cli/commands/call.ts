import type { Client } from "@modelcontextprotocol/client";
import type { Command } from "../command.ts";
import { serverOf, UsageError } from "../context.ts";
import { withMcp } from "../mcp.ts";
import { forPeople, print, printJson, say } from "../output.ts";

export const call: Command = {
  name: "call",
  usage: "SERVER TOOL [ARGS]",
  summary: "Call a tool; ARGS is a JSON object",
  args: [2, 3],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const given = parseArguments(args[2]);
    const result = await withMcp(cli, at, (client) => client.callTool({ name: args[1]!, arguments: given }));
    if (cli.json) printJson(result);
    else for (const part of result.content) print(forPeople(readable(part)));
    if (result.isError === true) say(`The tool ${args[1]} answered with an error.`);
    return result.isError === true ? 1 : 0;
  },
};

function parseArguments(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new UsageError(`ARGS is a JSON object such as '{"x": 1}', not ${text}`);
}

type Part = Awaited<ReturnType<Client["callTool"]>>["content"][number];

/** A part of a result as a person would read it. */
function readable(part: Part): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "image":
    case "audio":
      return `[${part.type} ${part.mimeType}, ${Math.floor((part.data.length * 3) / 4)} bytes]`;
    case "resource_link":
      return `[resource ${part.uri}]`;
    case "resource":
      return "text" in part.resource ? part.resource.text : `[resource ${part.resource.uri}]`;
  }
}

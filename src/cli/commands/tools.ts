import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { withMcp } from "../mcp.ts";
import { print, printJson, table } from "../output.ts";

export const tools: Command = {
  name: "tools",
  usage: "SERVER",
  summary: "The tools of a server, asked through its endpoint",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const found = await withMcp(cli, at, async (client) => {
      const all = [];
      let cursor: string | undefined;
      do {
        const page = await client.listTools(cursor === undefined ? {} : { cursor });
        all.push(...page.tools);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return all;
    });
    if (cli.json) printJson(found);
    else {
      const rows = found.map((tool) => [
        tool.name,
        parameters(tool.inputSchema),
        (tool.description ?? "").split("\n")[0]!,
      ]);
      print(table(["TOOL", "TAKES", ""], rows, `${at.server} exposes no tools.`));
    }
    return 0;
  },
};

function parameters(schema: { properties?: object | undefined; required?: string[] | undefined }): string {
  const names = Object.keys(schema.properties ?? {});
  return names.map((name) => (schema.required?.includes(name) ? name : `[${name}]`)).join(" ");
}

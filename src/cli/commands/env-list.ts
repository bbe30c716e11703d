import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { print, printJson, table, when } from "../output.ts";
import { everyPage } from "../pages.ts";

export const envList: Command = {
  name: "env list",
  usage: "SERVER",
  summary: "The names of a server's variables; values are never shown",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const items = await everyPage((cursor) =>
      cli.client.call("listVariables", at, { limit: 200, ...cursor }),
    );
    if (cli.json) printJson(items);
    else {
      const rows = items.map(({ name, scope, updatedAt, updatedBy }) => [
        name,
        scope,
        when(updatedAt),
        updatedBy.name,
      ]);
      print(
        table(
          ["NAME", "SCOPE", "UPDATED", "BY"],
          rows,
          `No variables yet. Set one: ./offing env set ${at.server} KEY=VALUE`,
        ),
      );
    }
    return 0;
  },
};

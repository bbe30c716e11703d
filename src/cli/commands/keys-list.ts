import type { Command } from "../command.ts";
import { print, printJson, table, when } from "../output.ts";
import { everyPage } from "../pages.ts";

export const keysList: Command = {
  name: "keys list",
  usage: "",
  summary: "Your keys; for admins every key of the organization",
  args: [0, 0],
  flags: {},
  async run({ cli }) {
    const organization = await cli.organization();
    const items = await everyPage((cursor) =>
      cli.client.call("listKeys", { organization }, { limit: 200, ...cursor }),
    );
    if (cli.json) printJson(items);
    else {
      const rows = items.map((key) => [
        key.id,
        `${key.prefix}…`,
        key.principal.name,
        key.revokedAt ? `revoked ${when(key.revokedAt)}` : "active",
        when(key.createdAt),
        key.label,
      ]);
      print(
        table(
          ["KEY", "BEGINS", "OF", "STATUS", "MADE", "LABEL"],
          rows,
          "No keys yet. Make one: ./offing keys create",
        ),
      );
    }
    return 0;
  },
};

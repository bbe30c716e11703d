import type { Command } from "../command.ts";
import { print, printJson, table } from "../output.ts";
import { everyPage } from "../pages.ts";

export const servers: Command = {
  name: "servers",
  usage: "",
  summary: "The servers that you may discover",
  args: [0, 0],
  flags: {},
  async run({ cli }) {
    const organization = await cli.organization();
    const items = await everyPage((cursor) =>
      cli.client.call("listServers", { organization }, { limit: 200, ...cursor }),
    );
    if (cli.json) printJson(items);
    else {
      const rows = items.map((server) => [
        `${organization}/${server.slug}`,
        server.status,
        server.lastBuild?.status ?? "",
        server.endpoint,
      ]);
      print(
        table(
          ["SERVER", "STATUS", "LAST BUILD", "ENDPOINT"],
          rows,
          "No servers yet. Deploy one: ./offing deploy SOURCE",
        ),
      );
    }
    return 0;
  },
};

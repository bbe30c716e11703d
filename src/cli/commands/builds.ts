import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { duration, print, printJson, table, when } from "../output.ts";

export const builds: Command = {
  name: "builds",
  usage: "SERVER",
  summary: "A server's builds, newest first",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const { items } = await cli.client.call("listBuilds", at, { limit: 100 });
    if (cli.json) printJson(items);
    else {
      const rows = items.map((build) => [
        build.id,
        build.status,
        build.commit?.slice(0, 10) ?? "",
        duration(build.durationMs),
        when(build.createdAt),
        build.error ? `${build.error.step}: ${build.error.message.split("\n")[0]}` : (build.subject ?? ""),
      ]);
      print(
        table(
          ["BUILD", "STATUS", "COMMIT", "TOOK", "AT", ""],
          rows,
          `No builds yet. Start one: ./offing deploy SOURCE --server ${at.server}`,
        ),
      );
    }
    return 0;
  },
};

import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { printJson, say } from "../output.ts";

export const rollback: Command = {
  name: "rollback",
  usage: "SERVER [BUILD]",
  summary: "Make the live deployment select an earlier build's artifact; no rebuild, the same variables",
  args: [1, 2],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const server = await cli.client.call("rollback", at, args[1] === undefined ? {} : { build: args[1] });
    const live = server.deployments.find((deployment) => deployment.slug === "live");
    if (cli.json) printJson(server);
    else
      say(
        `${server.endpoint} serves build ${live?.build} now; the variables stay as they are. Undo with: ./offing rollback ${args[0]}`,
      );
    return 0;
  },
};

import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { printJson, say } from "../output.ts";

export const envRemove: Command = {
  name: "env remove",
  usage: "SERVER KEY…",
  summary: "Remove variables, for the next build",
  args: [2, 257],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const done = await cli.client.call("removeVariables", at, { names: args.slice(1) });
    if (cli.json) printJson(done);
    else {
      say(`Removed ${done.changed.join(", ")} of ${at.server}.`);
      say(done.next);
    }
    return 0;
  },
};

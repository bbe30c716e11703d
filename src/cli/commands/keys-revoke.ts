import type { Command } from "../command.ts";
import { printJson, say } from "../output.ts";

export const keysRevoke: Command = {
  name: "keys revoke",
  usage: "KEY",
  summary: "Revoke a key by its id; effective at once",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const key = await cli.client.call("revokeKey", { organization: await cli.organization(), key: args[0]! });
    if (cli.json) printJson(key);
    else say(`Key ${key.id} (${key.prefix}…) opens nothing any more.`);
    return 0;
  },
};

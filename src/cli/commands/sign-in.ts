import type { Command } from "../command.ts";
import { print, printJson, say } from "../output.ts";

export const signIn: Command = {
  name: "sign-in",
  usage: "",
  summary: "A link that signs you in to the pages, once",
  args: [0, 0],
  flags: {},
  async run({ cli }) {
    const link = await cli.client.call("createSignInLink", { organization: await cli.organization() });
    if (cli.json) printJson(link);
    else {
      say("It opens once, within 15 minutes:");
      print(link.url);
    }
    return 0;
  },
};

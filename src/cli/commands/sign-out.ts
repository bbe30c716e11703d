import type { Command } from "../command.ts";
import { printJson, say } from "../output.ts";

export const signOut: Command = {
  name: "sign-out",
  usage: "",
  summary: "Sign all your browsers out, and use up open sign-in links",
  args: [0, 0],
  flags: {},
  async run({ cli }) {
    const ended = await cli.client.call("signOutEverywhere", { organization: await cli.organization() });
    const { sessions, links } = ended;
    if (cli.json) printJson(ended);
    else {
      say(
        `Signed out: ${sessions} ${sessions === 1 ? "session" : "sessions"} ended, ${links} open sign-in ${links === 1 ? "link" : "links"} used up.`,
      );
    }
    return 0;
  },
};

import { randomUUID } from "node:crypto";
import { isSlug } from "../../contract/slugs.ts";
import { type Command, text } from "../command.ts";
import { serverOf, UsageError } from "../context.ts";
import { print, printJson, say } from "../output.ts";

export const register: Command = {
  name: "register",
  usage: "URL",
  summary: "Put an MCP server that runs elsewhere behind the gate",
  args: [1, 1],
  flags: {
    server: { type: "string" },
    credential: { type: "string" },
    "allow-private": { type: "boolean" },
  },
  async run({ cli, args, flags }) {
    const named = text(flags, "server");
    const credential = text(flags, "credential") ?? "none";
    if (credential !== "none") {
      throw new UsageError(`--credential is "none", not "${credential}": nothing is presented to the server`);
    }
    if (named !== undefined && !named.split("/").every(isSlug)) {
      throw new UsageError(`--server is SLUG or ORG/SLUG, not "${named}"`);
    }
    const at = named === undefined ? { organization: await cli.organization() } : await serverOf(cli, named);
    const registered = await cli.client.call(
      "registerServer",
      { organization: at.organization },
      {
        url: args[0]!,
        credential,
        allowPrivate: flags["allow-private"] === true,
        ...("server" in at ? { server: at.server } : {}),
      },
      { idempotencyKey: randomUUID() },
    );
    if (cli.json) printJson(registered);
    else {
      const { server, endpoint, capabilities } = registered;
      say(`Registered ${server} with ${capabilities} ${capabilities === 1 ? "capability" : "capabilities"}:`);
      print(endpoint);
      say(`Call it: ./offing tools ${server}`);
    }
    return 0;
  },
};

import { type Command, text } from "../command.ts";
import { print, printJson, say } from "../output.ts";

export const keysCreate: Command = {
  name: "keys create",
  usage: "",
  summary: "A new key, shown once; yours, or a service account's",
  args: [0, 0],
  flags: { label: { type: "string" }, "service-account": { type: "string" } },
  async run({ cli, flags }) {
    const serviceAccount = text(flags, "service-account");
    const key = await cli.client.call(
      "createKey",
      { organization: await cli.organization() },
      {
        label: text(flags, "label") ?? "",
        ...(serviceAccount === undefined ? {} : { serviceAccount }),
      },
    );
    if (cli.json) printJson(key);
    else {
      say(`Key ${key.id}. It is shown this once:`);
      print(key.key);
    }
    return 0;
  },
};

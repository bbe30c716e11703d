import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { type Command, text } from "../command.ts";
import { serverOf } from "../context.ts";
import { dim, duration, print, printJson, red, visible, when } from "../output.ts";
import { follow } from "../follow.ts";
import { everyPage } from "../pages.ts";
import { parseSince } from "../since.ts";

type Request = Output<Routes["followRequests"]>;

export const requests: Command = {
  name: "requests",
  usage: "SERVER",
  summary: "The requests to a server, refused ones too",
  args: [1, 1],
  flags: { follow: { type: "boolean", short: "f" }, since: { type: "string" } },
  async run({ cli, args, flags }) {
    const at = await serverOf(cli, args[0]!);
    const since = parseSince(text(flags, "since"));
    if (flags["follow"] === true) {
      for await (const data of follow((after) => cli.client.stream("followRequests", at, since, after))) {
        if (cli.json) printJson(data);
        else print(line(data));
      }
      return 0;
    }
    const read = (cursor: { cursor?: string }) =>
      cli.client.call("listRequests", at, { limit: 100, ...since, ...cursor });
    const items = since.since === undefined ? (await read({})).items : await everyPage(read);
    const rows = items.toReversed();
    if (cli.json) printJson(rows);
    else if (rows.length === 0) print(`No requests yet. Make one: ./offing tools ${args[0]}`);
    else for (const row of rows) print(line(row));
    return 0;
  },
};

function line(row: Request): string {
  const what = [row.method ?? row.httpMethod, row.capability?.name].filter(Boolean).join(" ");
  const client = row.client ? ` ${row.client.name}` : "";
  const stopped = row.boundary === null ? "" : red(` stopped at ${row.boundary}: ${row.error ?? ""}`);
  return `${dim(when(row.at))} ${row.httpStatus} ${visible(what)} ${duration(row.ms.total)}${dim(`${visible(client)} ${row.id}`)}${visible(stopped)}`;
}

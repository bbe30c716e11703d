import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { type Command, text } from "../command.ts";
import { type CliContext, serverOf, UsageError } from "../context.ts";
import { followBuildLog, lineText } from "../build-log.ts";
import { dim, print, printJson, visible, when } from "../output.ts";
import { follow } from "../follow.ts";
import { everyPage } from "../pages.ts";
import { parseSince } from "../since.ts";

type Line = Output<Routes["followServerLines"]>;

export const logs: Command = {
  name: "logs",
  usage: "SERVER",
  summary: "What a server printed, or with --build the log of its last build",
  args: [1, 1],
  flags: { follow: { type: "boolean", short: "f" }, build: { type: "boolean" }, since: { type: "string" } },
  async run({ cli, args, flags }) {
    if (flags["build"] === true && flags["since"] !== undefined)
      throw new UsageError("--since goes with the server log, not with --build");
    const since = parseSince(text(flags, "since"));
    const at = await serverOf(cli, args[0]!);
    const following = flags["follow"] === true;
    if (flags["build"] === true) return lastBuildLog(cli, at, following);
    if (following) {
      for await (const line of follow((after) => cli.client.stream("followServerLines", at, since, after)))
        show(cli, line);
      return 0;
    }
    const read = (cursor: { cursor?: string }) =>
      cli.client.call("listServerLines", at, { limit: 200, ...since, ...cursor });
    const items = since.since === undefined ? (await read({})).items : await everyPage(read);
    const lines = items.toReversed();
    if (cli.json) printJson(lines);
    else if (lines.length === 0)
      print(`${at.server} has printed nothing yet. Call it: ./offing tools ${args[0]}`);
    else for (const line of lines) show(cli, line);
    return 0;
  },
};

async function lastBuildLog(
  cli: CliContext,
  at: { organization: string; server: string },
  follow: boolean,
): Promise<number> {
  const { items } = await cli.client.call("listBuilds", at, { limit: 1 });
  const build = items[0];
  if (build === undefined) {
    if (cli.json) printJson([]);
    else print(`No builds yet. Start one: ./offing deploy SOURCE --server ${at.server}`);
    return 0;
  }
  const lines: object[] = [];
  const running = build.status === "queued" || build.status === "building";
  const last = await followBuildLog(cli, { ...at, build: build.id }, follow || !running, (line) => {
    if (!cli.json) print(lineText(line));
    else if (follow) printJson(line);
    else lines.push(line);
  });
  if (cli.json && !follow) printJson(lines);
  return last?.status === "failed" ? 1 : 0;
}

function show(cli: CliContext, line: Line): void {
  if (cli.json) return printJson(line);
  const request = line.request === null ? "" : dim(` ${line.request}`);
  print(`${dim(when(line.at))} ${line.stream.padEnd(6)} ${visible(line.text)}${request}`);
}

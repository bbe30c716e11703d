import { check as run } from "../check/check.ts";
import type { Line } from "../check/line.ts";
import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { dim, print, printJson, red, say, visible } from "../output.ts";

const marks: Record<Line["result"], string> = { passed: "passed", failed: "failed", not_applicable: "n/a" };

export const check: Command = {
  name: "check",
  usage: "SERVER",
  summary: "Try a server's live endpoint before clients use it, line by line",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const report = await run(cli, await serverOf(cli, args[0]!));
    if (cli.json) printJson(report);
    else {
      const external = report.checks.some(
        ({ list, result }) => list === "external" && result !== "not_applicable",
      );
      for (const line of report.checks) if ((line.list === "external") === external) print(text(line));
      const failed = report.checks.filter(({ result }) => result === "failed").length;
      say(failed === 0 ? `Clients can use ${report.endpoint}` : `${failed} of the lines failed.`);
    }
    return report.ok ? 0 : 1;
  },
};

function text({ check: what, result, detail, fix }: Line): string {
  const mark = marks[result].padEnd(8);
  const head = `${result === "failed" ? red(mark) : mark}${what}`;
  return [
    head,
    `        ${dim(visible(detail))}`,
    ...(fix === null ? [] : [`        → ${visible(fix)}`]),
  ].join("\n");
}

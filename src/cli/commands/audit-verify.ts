import type { Command } from "../command.ts";
import { print, printJson } from "../output.ts";

export const auditVerify: Command = {
  name: "audit verify",
  usage: "",
  summary: "Prove the audit chain, row by row",
  args: [0, 0],
  flags: {},
  async run({ cli }) {
    const report = await cli.client.call("verifyAudit", { organization: await cli.organization() });
    if (cli.json) printJson(report);
    else if (report.intact)
      print(`The chain is whole: ${report.rows} rows, ${report.checkpoints} signed checkpoints.`);
    else print(`The chain is broken: ${report.problem}.`);
    return report.intact ? 0 : 1;
  },
};

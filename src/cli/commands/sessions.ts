import { shellWord } from "../../lib/shell.ts";
import type { Command } from "../command.ts";
import { serverOf } from "../context.ts";
import { print, printJson, table, when } from "../output.ts";
import { everyPage } from "../pages.ts";

export const sessions: Command = {
  name: "sessions",
  usage: "SERVER",
  summary: "A server's sessions, ended ones of the last day too; for its editors everybody's",
  args: [1, 1],
  flags: {},
  async run({ cli, args }) {
    const at = await serverOf(cli, args[0]!);
    const items = await everyPage((cursor) => cli.client.call("listSessions", at, { limit: 200, ...cursor }));
    if (cli.json) printJson(items);
    else {
      const rows = items.map((session) => [
        session.id,
        session.kind,
        session.state,
        session.principal.name,
        session.client === null ? "" : `${session.client.name} ${session.client.version ?? ""}`.trim(),
        session.revision,
        when(session.startedAt),
        when(session.lastSeenAt),
        when(session.expiresAt),
      ]);
      print(
        table(
          ["SESSION", "KIND", "STATE", "OF", "CLIENT", "REVISION", "STARTED", "LAST SEEN", "EXPIRES"],
          rows,
          `No sessions yet. Clients of the handshake revisions have them; for stateless ones: ./offing servers set ${shellWord(args[0]!)} --virtual-sessions on`,
        ),
      );
    }
    return 0;
  },
};

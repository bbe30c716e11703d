import { sql } from "kysely";
import { shellWord } from "../../lib/shell.ts";
import type { Db, Tx } from "../../store/database.ts";
import type { StoredSource } from "../../store/tables.ts";

/** The command that builds again what is, or is to be, live on a server, for hints: no preview, unless it has nothing else. */
export async function deployCommand(
  db: Db | Tx,
  server: { readonly organization: string; readonly id: string; readonly slug: string },
): Promise<string> {
  const last = await db
    .selectFrom("builds")
    .select(["source", "entrypoint", "dependency_file"])
    .where("organization", "=", server.organization)
    .where("server", "=", server.id)
    // No scope yet: it ended before its commit was known, or has not begun.
    .orderBy(sql`case scope when 'production' then 0 when 'preview' then 2 else 1 end`)
    .orderBy("id", "desc")
    .executeTakeFirst();
  return last === undefined
    ? `./offing deploy SOURCE --server ${server.slug}`
    : commandOf(server.slug, { ...last, source: last.source as StoredSource });
}

/** The command that builds this source; an upload came from a folder of whoever uploaded it. */
export function commandOf(
  slug: string,
  build: {
    readonly source: StoredSource;
    readonly entrypoint: string | null;
    readonly dependency_file: string | null;
  },
): string {
  const { source, entrypoint, dependency_file: dependencies } = build;
  const words = [
    "./offing",
    "deploy",
    source.kind === "git" ? shellWord(source.url) : "FOLDER",
    "--server",
    slug,
  ];
  if (source.kind === "git" && source.ref !== null) words.push("--ref", shellWord(source.ref));
  if (entrypoint !== null) words.push("--entrypoint", shellWord(entrypoint));
  if (dependencies !== null) words.push("--dependency-file", shellWord(dependencies));
  return words.join(" ");
}

import type { Db, Tx } from "../../store/database.ts";
import type { StoredSource } from "../../store/tables.ts";

/** The command that builds a server's last source again, for hints. */
export async function deployCommand(
  db: Db | Tx,
  server: { readonly organization: string; readonly id: string; readonly slug: string },
): Promise<string> {
  const last = await db
    .selectFrom("builds")
    .select(["source", "entrypoint", "dependency_file"])
    .where("organization", "=", server.organization)
    .where("server", "=", server.id)
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
    source.kind === "git" ? quoted(source.url) : "FOLDER",
    "--server",
    slug,
  ];
  if (source.kind === "git" && source.ref !== null) words.push("--ref", quoted(source.ref));
  if (entrypoint !== null) words.push("--entrypoint", quoted(entrypoint));
  if (dependencies !== null) words.push("--dependency-file", quoted(dependencies));
  return words.join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

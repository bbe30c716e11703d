import { OffingError } from "../../contract/errors.ts";
import type { Given } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { StoredSource } from "../../store/tables.ts";
import { notFound } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";

type GivenSource = Given<Routes["startBuild"]>["source"];

/** Checks a source before anything is stored; what it cannot know without the network the build finds out. */
export async function toStoredSource(
  ctx: Context,
  organization: string,
  source: GivenSource,
): Promise<StoredSource> {
  if (source.kind === "upload") {
    const row = await ctx.db
      .selectFrom("uploads")
      .select("id")
      .where("organization", "=", organization)
      .where("id", "=", source.upload)
      .where("created_by", "=", actorId(ctx.actor))
      .executeTakeFirst();
    if (row === undefined) throw notFound("upload", source.upload);
    return {
      kind: "upload",
      upload: source.upload,
      commit: source.commit,
      ref: source.ref ?? null,
      name: source.name,
    };
  }
  const { url } = gitHost(source.url);
  return { kind: "git", url, ref: source.ref ?? null };
}

/** A Git URL's host and port. scp-like `user@host:path` is ssh. */
export function gitHost(text: string): { url: string; host: string; port: number } {
  const scp = /^([\w.-]+@)([\w.-]+):(?!\/)(.+)$/.exec(text);
  const url = scp ? `ssh://${scp[1]}${scp[2]}/${scp[3]}` : text;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const port = { "https:": 443, "http:": 80, "ssh:": 22 }[parsed?.protocol ?? ""];
  if (parsed === undefined || port === undefined || parsed.hostname === "") {
    throw new OffingError("invalid", `"${text}" is not a Git URL that the program opens`, {
      hint: "give an https:// or ssh:// URL; folders and file:// are read by the CLI: ./offing deploy FOLDER",
    });
  }
  // The user of an ssh URL is no secret; what stands before a host over https often is a token.
  if (parsed.password !== "" || (parsed.username !== "" && parsed.protocol !== "ssh:")) {
    throw new OffingError(
      "invalid",
      "this Git URL has a user name or a password in it, which would end up in logs and records",
      { hint: "leave what stands before the @ out of the URL" },
    );
  }
  return { url, host: parsed.hostname, port: parsed.port === "" ? port : Number(parsed.port) };
}

/** A source in a line, for people. */
export function describeSource(source: StoredSource): string {
  return source.kind === "git" ? source.url : `upload of ${source.name}`;
}

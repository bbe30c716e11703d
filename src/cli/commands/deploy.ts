import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { toSlug } from "../../contract/slugs.ts";
import type { Given } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { bundleFolder } from "../bundle.ts";
import { followBuildLog, lineText } from "../build-log.ts";
import { type Command, text } from "../command.ts";
import { type CliContext, serverOf, UsageError } from "../context.ts";
import { duration, print, printJson, red, say, visible } from "../output.ts";

type Source = Given<Routes["startBuild"]>["source"];

export const deploy: Command = {
  name: "deploy",
  usage: "SOURCE",
  summary: "Build a Git URL or a folder and serve it",
  args: [1, 1],
  flags: {
    server: { type: "string" },
    entrypoint: { type: "string" },
    "dependency-file": { type: "string" },
    ref: { type: "string" },
    "allow-private": { type: "boolean" },
  },
  async run({ cli, args, flags }) {
    const given = args[0]!;
    const ref = text(flags, "ref");
    const at = await serverOf(cli, text(flags, "server") ?? slugOf(given));
    const { source, clean } = await toSource(cli, at.organization, given, ref);
    const entrypoint = text(flags, "entrypoint");
    const dependencyFile = text(flags, "dependency-file");
    try {
      const started = await cli.client.call(
        "startBuild",
        { organization: at.organization },
        {
          server: at.server,
          source,
          allowPrivate: flags["allow-private"] === true,
          ...(entrypoint === undefined ? {} : { entrypoint }),
          ...(dependencyFile === undefined ? {} : { dependencyFile }),
        },
        { idempotencyKey: randomUUID() },
      );
      const build = await followBuildLog(cli, { ...at, build: started.id }, true, (line) =>
        say(lineText(line)),
      );
      if (build === undefined) throw new Error("the build's log ended without a word on the build");
      const endpoint = build.deployment?.endpoint ?? null;
      if (cli.json) {
        printJson({
          server: `${at.organization}/${at.server}`,
          endpoint,
          build: build.id,
          commit: build.commit,
          artifact: build.artifact,
          status: build.status,
          durationMs: build.durationMs,
          capabilities: build.capabilities,
          ...(build.error ? { error: build.error } : {}),
          ...(build.warnings.length > 0 ? { warnings: build.warnings } : {}),
        });
      } else if (build.status === "succeeded") {
        say(
          `\nLive in ${duration(build.durationMs)} with ${build.capabilities} ${build.capabilities === 1 ? "capability" : "capabilities"}:`,
        );
        print(endpoint ?? "");
        for (const warning of build.warnings) say(red(`warning: ${visible(warning)}`));
        say(`Call it: ./offing tools ${at.organization}/${at.server}`);
      } else {
        say(
          `\n${red(`The build ${build.status}${build.error ? ` at ${build.error.step}` : ""}.`)} What served before serves still.`,
        );
      }
      return build.status === "succeeded" ? 0 : 1;
    } finally {
      await clean();
    }
  },
};

function slugOf(source: string): string {
  const name = basename(localPath(source) ?? source.replace(/[?#].*$/, "").replace(/\/+$/, "")).replace(
    /\.git$/,
    "",
  );
  const slug = toSlug(name.includes(":") ? name.slice(name.lastIndexOf(":") + 1) : name);
  if (slug === undefined)
    throw new UsageError(`no server slug can be made of "${source}"; name one with --server SLUG`);
  return slug;
}

/** The folder that a source names, if it names one. */
function localPath(source: string): string | undefined {
  if (source.startsWith("file://")) return fileURLToPath(source);
  if (/^[a-z+]+:\/\//i.test(source)) return undefined;
  const path = resolve(source);
  if (existsSync(path)) return path;
  // scp-like: user@host:path, or host:path with no such folder here.
  if (/^([\w.-]+@)[\w.-]+:/.test(source)) return undefined;
  throw new UsageError(
    `"${source}" is neither a folder here nor a Git URL (https://…, ssh://…, user@host:path)`,
  );
}

async function toSource(
  cli: CliContext,
  organization: string,
  given: string,
  ref: string | undefined,
): Promise<{ source: Source; clean: () => Promise<void> }> {
  const path = localPath(given);
  if (path === undefined) {
    return {
      source: { kind: "git", url: given, ...(ref === undefined ? {} : { ref }) },
      clean: async () => {},
    };
  }
  if (!statSync(path).isDirectory()) throw new UsageError(`"${given}" is a file; give the folder it lies in`);
  say(`Reading ${path}…`);
  const bundle = await bundleFolder(path, ref === undefined ? { onNote: say } : { ref, onNote: say });
  const clean = () => rm(dirname(bundle.path), { recursive: true, force: true });
  try {
    const bytes = await readFile(bundle.path);
    say(`Uploading ${(bytes.length / 1024).toFixed(0)} KiB…`);
    const { id } = await cli.client.upload("createUpload", { organization }, bytes);
    return {
      source: {
        kind: "upload",
        upload: id,
        commit: bundle.commit,
        name: bundle.name,
        ...(bundle.ref === null ? {} : { ref: bundle.ref }),
      },
      clean,
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { promisify } from "node:util";
import { Agent, fetch, type Response } from "undici";
import { readIndexes } from "../../src/build/install/indexes.ts";
import { type Package, sdistOf } from "./package.ts";

const run = promisify(execFile);

/** The largest source distribution that is taken, in bytes. */
const LARGEST = 64 * 1024 ** 2;

/**
 * Makes a Git repository of a package's source distribution, exactly as it was
 * published. The archive is kept in `<cache>/sdists`; only the pinned bytes are
 * unpacked, and nothing of them is run here. Returns the repository's folder.
 */
export async function repositoryOf(
  pack: Package,
  cache: string,
  work: string,
  signal: AbortSignal,
): Promise<string> {
  const archive = await archiveOf(pack, join(cache, "sdists"), signal);
  const folder = join(work, pack.name);
  await mkdir(folder, { recursive: true });
  // tar itself refuses absolute names and `..`, and writes through no link of the archive.
  await run(
    "tar",
    ["--extract", "--gzip", "--no-same-owner", "--strip-components=1", "-C", folder, "-f", archive],
    {
      signal,
    },
  );
  const git = (...args: string[]) =>
    run(
      "git",
      [
        "-c",
        "core.autocrlf=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "user.name=compatibility",
        "-c",
        "user.email=compatibility@localhost",
        ...args,
      ],
      { cwd: folder, signal, maxBuffer: LARGEST },
    );
  await git("init", "--quiet", "--template=", "--initial-branch=main");
  // Forced: what the archive holds is the package, whatever its .gitignore says.
  await git("add", "--all", "--force");
  await git("commit", "--quiet", "--no-verify", "-m", `${pack.name} ${pack.version} as published`);
  return folder;
}

async function archiveOf(pack: Package, folder: string, signal: AbortSignal): Promise<string> {
  const path = join(folder, sdistOf(pack));
  const kept = await readFile(path).catch(() => undefined);
  if (kept && sha256(kept) === pack.sha256) return path;
  const bytes = await download(pack, signal);
  await mkdir(folder, { recursive: true });
  const part = `${path}.${process.pid}`;
  await writeFile(part, bytes);
  await rename(part, path).finally(() => rm(part, { force: true }));
  return path;
}

/** From the index that this machine's pip uses, found by the project's page there (PEP 503). */
async function download(pack: Package, signal: AbortSignal): Promise<Buffer> {
  const indexes = await readIndexes(process.env);
  const authority =
    indexes.certificates === null ? null : await readFile(indexes.certificates, "utf8").catch(() => null);
  const dispatcher = new Agent({
    connect: { ca: [...rootCertificates, ...(authority === null ? [] : [authority])] },
  });
  const get = async (url: URL): Promise<Response> => {
    const response = await fetch(url, { dispatcher, signal });
    if (!response.ok) throw new Error(`${pack.name}: the index answered ${response.status}`);
    return response;
  };
  try {
    const page = await get(new URL(`${indexes.index.replace(/\/$/, "")}/${pack.name}/`));
    const links = (await read(page)).toString("utf8").matchAll(/href="([^"#]+)/g);
    const link = links
      .map((match) => new URL(match[1]!.replaceAll("&amp;", "&"), page.url))
      .find((url) => url.pathname.endsWith(`/${sdistOf(pack)}`));
    if (!link) throw new Error(`the index does not list ${sdistOf(pack)}`);
    const bytes = await read(await get(link));
    const found = sha256(bytes);
    if (found !== pack.sha256) throw new Error(`${sdistOf(pack)} has the wrong SHA-256 ${found}`);
    return bytes;
  } finally {
    await dispatcher.destroy();
  }
}

async function read(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > LARGEST) throw new Error("it is larger than any source distribution that is taken");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

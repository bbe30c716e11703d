import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { randomText } from "../lib/ids.ts";

/** Bytes addressed by their SHA-256 (hex). Writing the same bytes twice keeps them once. */
export interface Blobs {
  /** Stores a stream whole or not at all. Throws BlobTooLarge past `maxBytes`. */
  put(stream: Readable, maxBytes: number): Promise<{ digest: string; sizeBytes: number }>;
  /** Where a blob lies on this machine. */
  path(digest: string): string;
  /** What was last put before a moment. Removes what was left half written before it. */
  olderThan(before: Date): AsyncGenerator<string>;
  /** Removes a blob, unless it was put again since. */
  remove(digest: string, before: Date): Promise<void>;
}

export class BlobTooLarge extends Error {
  override readonly name = "BlobTooLarge";
}

/** Blobs in a folder. */
export async function openBlobs(folder: string): Promise<Blobs> {
  await mkdir(join(folder, "incoming"), { recursive: true, mode: 0o700 });
  const path = (digest: string) => join(folder, digest.slice(0, 2), digest);
  return {
    path,
    async *olderThan(before) {
      for (const name of await readdir(join(folder, "incoming"))) {
        const half = join(folder, "incoming", name);
        if (await isOlder(half, before)) await rm(half, { force: true });
      }
      for (const part of await readdir(folder)) {
        if (part === "incoming") continue;
        for (const digest of await readdir(join(folder, part)))
          if (await isOlder(path(digest), before)) yield digest;
      }
    },
    async remove(digest, before) {
      // Moved aside first: if it is the one that was put just now after all, it goes back.
      const aside = join(folder, "incoming", randomText(16));
      const there = await rename(path(digest), aside).then(
        () => true,
        () => false,
      );
      if (!there) return;
      if (await isOlder(aside, before)) await rm(aside, { force: true });
      else await rename(aside, path(digest));
    },
    async put(stream, maxBytes) {
      const half = join(folder, "incoming", randomText(16));
      const hash = createHash("sha256");
      let sizeBytes = 0;
      const measure = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          sizeBytes += chunk.length;
          if (sizeBytes > maxBytes) return done(new BlobTooLarge(`more than ${maxBytes} bytes`));
          hash.update(chunk);
          done(null, chunk);
        },
      });
      try {
        await pipeline(stream, measure, createWriteStream(half, { mode: 0o600, flush: true }));
        const digest = hash.digest("hex");
        await mkdir(join(folder, digest.slice(0, 2)), { recursive: true });
        await rename(half, path(digest));
        return { digest, sizeBytes };
      } catch (error) {
        await rm(half, { force: true });
        throw error;
      }
    },
  };
}

async function isOlder(file: string, before: Date): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && found.mtime < before;
}

import { mkdtemp, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { type Blobs, BlobTooLarge, openBlobs } from "../../src/store/blobs.ts";

let folder: string;
let blobs: Blobs;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "offing-blobs-"));
  blobs = await openBlobs(folder);
});

const long = new Date(Date.now() - 48 * 3_600_000);
const yesterday = new Date(Date.now() - 24 * 3_600_000);
const put = (text: string) => blobs.put(Readable.from([Buffer.from(text)]), 1000);
const incoming = () => readdir(join(folder, "incoming"));

describe("blobs", () => {
  it("keep the same bytes once, under their digest", async () => {
    expect(await put("a")).toEqual(await put("a"));
    expect((await put("a")).digest).toBe("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
  });

  it("leave nothing of what was too large or broke off", async () => {
    await expect(put("x".repeat(1001))).rejects.toBeInstanceOf(BlobTooLarge);
    const broken = new Readable({
      read() {
        this.push("half");
        this.destroy(new Error("gone"));
      },
    });
    await expect(blobs.put(broken, 1000)).rejects.toThrow("gone");
    expect(await incoming()).toEqual([]);
  });

  it("are not removed when they were put again in the meantime", async () => {
    const { digest } = await put("a");
    await utimes(blobs.path(digest), long, long);
    const found = [];
    for await (const each of blobs.olderThan(yesterday)) found.push(each);
    expect(found).toEqual([digest]);
    await put("a");
    await blobs.remove(digest, yesterday);
    expect(await readdir(join(folder, digest.slice(0, 2)))).toEqual([digest]);
    await utimes(blobs.path(digest), long, long);
    await blobs.remove(digest, yesterday);
    expect(await readdir(join(folder, digest.slice(0, 2)))).toEqual([]);
    expect(await incoming()).toEqual([]);
  });

  it("half written ones that a kill left go with time", async () => {
    const half = join(folder, "incoming", "half");
    await writeFile(half, "x");
    for await (const _ of blobs.olderThan(yesterday));
    expect(await incoming()).toEqual(["half"]);
    await utimes(half, long, long);
    for await (const _ of blobs.olderThan(yesterday));
    expect(await incoming()).toEqual([]);
  });
});

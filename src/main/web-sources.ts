import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** What the pages are made of; `lib` because any folder may import it. */
const sources = ["web", "src/contract", "src/policy", "src/lib", "package-lock.json"];
const left = new Set(["dist", "node_modules"]);

/** One name for the whole of what the pages are made of: a build under another name is stale. */
export async function webDigest(root: string): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) {
    for (const file of await filesOf(join(root, source))) {
      const content = await readFile(file);
      hash.update(`${relative(root, file)}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest("hex").slice(0, 20);
}

async function filesOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (entries === undefined) return [path];
  const found: string[] = [];
  for (const entry of entries) {
    if (left.has(entry.name) || entry.name.startsWith(".")) continue;
    found.push(...(await filesOf(join(path, entry.name))));
  }
  return found.sort();
}

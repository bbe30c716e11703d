import { open } from "node:fs/promises";

/** Nobody writes a larger one by hand. */
const LARGEST = 1024 * 1024;

/** The text of a plain file of a checkout. Throws for anything else, and for one of more than 1 MiB. */
export async function readText(path: string): Promise<string> {
  const file = await open(path);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error("it is not a plain file");
    if (found.size > LARGEST) throw new Error("it is larger than 1 MiB");
    const bytes = await file.readFile();
    // PowerShell's `>` writes UTF-16 with a byte order mark.
    return bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString("utf16le") : bytes.toString("utf8");
  } finally {
    await file.close();
  }
}

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { newId } from "../lib/ids.ts";

/** The keys that replicas share. Losing them ends every session and leaves sealed columns closed. */
export interface KeyringFile {
  /** Key ids → 32 bytes, base64. New seals use `current`. */
  readonly sealing: { readonly current: string; readonly keys: Readonly<Record<string, string>> };
  /** Signs audit checkpoints; PKCS #8, PEM. */
  readonly audit: { readonly id: string; readonly privateKey: string };
}

/** Reads the keyring, or makes it on the first start (mode 0600). */
export function readKeyring(file: string): KeyringFile {
  if (!existsSync(file)) {
    const current = newId("key");
    const audit = generateKeyPairSync("ed25519").privateKey.export({
      type: "pkcs8",
      format: "pem",
    }) as string;
    const ring: KeyringFile = {
      sealing: { current, keys: { [current]: randomBytes(32).toString("base64") } },
      audit: { id: newId("key"), privateKey: audit },
    };
    writeFileSync(`${file}.new`, `${JSON.stringify(ring, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return JSON.parse(readFileSync(file, "utf8")) as KeyringFile;
}

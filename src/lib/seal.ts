import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/**
 * Keys for sealing, by id. New seals use `current`; every key listed opens.
 * A key is 32 bytes; its id is at most 255 bytes of ASCII.
 */
export interface Keyring {
  readonly current: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

const FORMAT = 1;
const NONCE = 12;
const TAG = 16;

/**
 * Encrypts and authenticates `plain` with AES-256-GCM (NIST SP 800-38D).
 * `context` is authenticated but not stored: what is sealed for one use
 * cannot be opened as another. Layout: format, key id length, key id,
 * nonce (12), tag (16), ciphertext; the head is authenticated too.
 *
 * Nonces are random: rotate a key before 2^32 seals (SP 800-38D, 8.3).
 */
export function sealBytes(ring: Keyring, context: string, plain: Uint8Array): Buffer {
  const key = ring.keys.get(ring.current);
  if (key === undefined) throw new Error(`The keyring's current key "${ring.current}" is not in it.`);
  const head = headOf(ring.current);
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.concat([head, Buffer.from(context)]));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([head, nonce, cipher.getAuthTag(), body]);
}

/** The plain bytes, or undefined when `sealed` was not sealed for `context` by a key of this ring. */
export function openBytes(ring: Keyring, context: string, sealed: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < 2 || bytes[0] !== FORMAT) return;
  const start = 2 + bytes[1]!;
  if (bytes.length < start + NONCE + TAG) return;
  const head = bytes.subarray(0, start);
  const key = ring.keys.get(head.toString("latin1", 2));
  if (key === undefined) return;
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(start, start + NONCE), {
    authTagLength: TAG,
  });
  decipher.setAAD(Buffer.concat([head, Buffer.from(context)]));
  decipher.setAuthTag(bytes.subarray(start + NONCE, start + NONCE + TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(start + NONCE + TAG)), decipher.final()]);
  } catch {
    return;
  }
}

/** Seals a JSON-compatible value into base64url text. */
export function sealToken(ring: Keyring, context: string, value: object): string {
  return sealBytes(ring, context, Buffer.from(JSON.stringify(value))).toString("base64url");
}

/** The value that `sealToken` sealed, or undefined for anything else, another spelling of it included. */
export function openToken(ring: Keyring, context: string, token: string): unknown {
  const sealed = Buffer.from(token, "base64url");
  // Node skips what is not base64url: without this, one token had many spellings.
  if (sealed.toString("base64url") !== token) return;
  const plain = openBytes(ring, context, sealed);
  if (plain === undefined) return;
  try {
    return JSON.parse(plain.toString());
  } catch {
    return;
  }
}

/**
 * A key of 32 bytes for `context` from each key of the ring (HKDF-SHA256,
 * RFC 5869), the current one's first. Who has one of them can tell none of
 * another context, nor the ring's.
 */
export function deriveKeys(ring: Keyring, context: string): readonly Buffer[] {
  const { [ring.current]: current, ...older } = Object.fromEntries(ring.keys);
  if (current === undefined) throw new Error(`The keyring's current key "${ring.current}" is not in it.`);
  return [current, ...Object.values(older)].map((key) =>
    Buffer.from(hkdfSync("sha256", key, "", `offing: ${context}`, 32)),
  );
}

function headOf(id: string): Buffer {
  const name = Buffer.from(id, "latin1");
  if (name.length === 0 || name.length > 255) throw new Error("A key id has 1 to 255 characters.");
  return Buffer.concat([Uint8Array.of(FORMAT, name.length), name]);
}

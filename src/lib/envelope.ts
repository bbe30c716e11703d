import { randomBytes } from "node:crypto";
import { type Keyring, openBytes, sealBytes } from "./seal.ts";

/**
 * Secrets at rest: each under a data key of its own, which the keyring's
 * current key wraps. Layout: format, length of the wrapped key (2 bytes, big
 * endian), wrapped key, sealed secret. Both are bound to `context`, which says
 * to whom and to which use a secret belongs.
 */
const FORMAT = 1;
const HEAD = 3;
const DATA_KEY = "data";

/** Seals a secret under a new data key. */
export function sealSecret(ring: Keyring, context: string, plain: Uint8Array): Buffer {
  const key = randomBytes(32);
  const body = sealBytes(ringOf(key), context, plain);
  return join(sealBytes(ring, wrapContext(context), key), body);
}

/** The secret, or undefined when it was not sealed for `context` by a key of this ring. */
export function openSecret(ring: Keyring, context: string, sealed: Uint8Array): Buffer | undefined {
  const parts = split(sealed);
  const key = parts && openBytes(ring, wrapContext(context), parts.wrapped);
  return key && openBytes(ringOf(key), context, parts.body);
}

/** The same secret with its data key under the ring's current key; undefined when the ring does not open it. */
export function rewrapSecret(ring: Keyring, context: string, sealed: Uint8Array): Buffer | undefined {
  const parts = split(sealed);
  const key = parts && openBytes(ring, wrapContext(context), parts.wrapped);
  return key && join(sealBytes(ring, wrapContext(context), key), parts.body);
}

function ringOf(key: Uint8Array): Keyring {
  return { current: DATA_KEY, keys: new Map([[DATA_KEY, key]]) };
}

function wrapContext(context: string): string {
  return `data key of ${context}`;
}

function join(wrapped: Buffer, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt8(FORMAT, 0);
  head.writeUInt16BE(wrapped.length, 1);
  return Buffer.concat([head, wrapped, body]);
}

function split(sealed: Uint8Array): { wrapped: Buffer; body: Buffer } | undefined {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEAD || bytes[0] !== FORMAT) return undefined;
  const end = HEAD + bytes.readUInt16BE(1);
  if (bytes.length < end) return undefined;
  return { wrapped: bytes.subarray(HEAD, end), body: bytes.subarray(end) };
}

import { hash } from "node:crypto";
import { randomText } from "../../lib/ids.ts";

const PREFIX = "off_";
const CHECK = 6;

/** A new API key: `off_`, 165 random bits, and a check that lets scanners tell a leaked key from noise. */
export function newKeySecret(): { key: string; hash: string; prefix: string } {
  const body = randomText(33);
  const key = `${PREFIX}${body}${check(body)}`;
  return { key, hash: hashKey(key), prefix: key.slice(0, 10) };
}

/** SHA-256, hex: all that is kept. The key has too many bits to be guessed, so no slow hash is needed. */
export function hashKey(key: string): string {
  return hash("sha256", key);
}

/** Whether a text has the form of a key: tells a typing error from a revoked key. */
export function looksLikeKey(text: string): boolean {
  const body = text.slice(PREFIX.length, -CHECK);
  return text.startsWith(PREFIX) && check(body) === text.slice(-CHECK);
}

function check(body: string): string {
  return hash("sha256", `offing key ${body}`).slice(0, CHECK);
}

import { hash } from "node:crypto";
import { randomText } from "../../lib/ids.ts";

/** A link must outlast the way from a terminal to a browser, and nothing more. */
export const LINK_MS = 15 * 60_000;
/** Absolute: use does not extend it. */
export const SESSION_MS = 7 * 24 * 3_600_000;

/** The token of a sign-in link: 165 random bits, in an address as they are. */
export function newLinkToken(): { secret: string; hash: string } {
  return made(`offlink_${randomText(33)}`);
}

/** What a signed-in browser's cookie holds: 165 random bits. */
export function newSessionSecret(): { secret: string; hash: string } {
  return made(`offweb_${randomText(33)}`);
}

/** SHA-256, hex: all that is kept. */
export function hashSecret(secret: string): string {
  return hash("sha256", secret);
}

function made(secret: string): { secret: string; hash: string } {
  return { secret, hash: hashSecret(secret) };
}

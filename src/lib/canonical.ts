import { hash } from "node:crypto";

/**
 * JSON text that is the same for equal values: keys sorted by code unit, no
 * spaces, numbers as ECMAScript prints them (RFC 8785). `value` is JSON-compatible.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** SHA-256, in hex, of the canonical JSON of `value`. */
export function canonicalHash(value: unknown): string {
  return hash("sha256", canonicalJson(value));
}

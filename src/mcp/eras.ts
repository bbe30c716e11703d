/**
 * The revisions of MCP fall into two eras that differ on the wire: the
 * handshake revisions, and the stateless one.
 */
export type Era = "handshake" | "stateless";

/** Newest first. */
export const handshakeRevisions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;
export const statelessRevisions = ["2026-07-28"] as const;

export const newestHandshake = handshakeRevisions[0];
export const newestStateless = statelessRevisions[0];

/** What a handshake request without `MCP-Protocol-Version` speaks (2025-11-25, basic/transports). */
export const unnamedHandshake = "2025-03-26";

export function isHandshakeRevision(version: string): boolean {
  return (handshakeRevisions as readonly string[]).includes(version);
}

export function isStatelessRevision(version: string): boolean {
  return (statelessRevisions as readonly string[]).includes(version);
}

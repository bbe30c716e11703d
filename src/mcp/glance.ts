/** What a JSON-RPC message is: a response, or a call (a request or a notification). */
export type Glanced = "response" | "call";

/** Bytes of a message that a glance needs; ids may be long. */
export const GLANCE_BYTES = 512;

const beginning =
  /^\s*\{\s*(?:"(?:jsonrpc|id)"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|null)\s*,\s*)*"(result|error|method)"\s*:/;

/**
 * Tells what a message is from its first bytes as text, without reading it;
 * undefined where they do not say. SDKs write `jsonrpc` and `id` around the
 * member that tells.
 */
export function glance(text: string): Glanced | undefined {
  const match = beginning.exec(text);
  if (match === null) return;
  return match[1] === "method" ? "call" : "response";
}

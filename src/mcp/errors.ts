import type { RequestId } from "./envelope.ts";

/** Codes of JSON-RPC 2.0 and of MCP (2026-07-28, basic; -32002 and -32042 until 2025-11-25). */
export const codes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  resourceNotFound: -32002,
  urlElicitationRequired: -32042,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedVersion: -32022,
} as const;

/**
 * The code of a refusal that the protocol has no code for. JSON-RPC reserves
 * -32768…-32000, so ours are below -31000: minus (31000 + HTTP status).
 */
export function ownCode(status: number): number {
  return -31000 - status;
}

/** An error response as JSON text. */
export function errorText(
  id: RequestId | null,
  code: number,
  message: string,
  data?: Readonly<Record<string, unknown>>,
): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: data === undefined ? { code, message } : { code, message, data },
  });
}

/** The HTTP status under which a stateless client expects an error that its server returned. */
export function statelessStatus(code: number): number {
  if (code === codes.methodNotFound) return 404;
  if (
    code === codes.headerMismatch ||
    code === codes.missingClientCapability ||
    code === codes.unsupportedVersion
  ) {
    return 400;
  }
  return 200;
}

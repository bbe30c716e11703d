import type { Duplex } from "node:stream";
import { errorText, ownCode } from "../mcp/errors.ts";

const answers: Readonly<Record<string, { status: number; reason: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: "Request Header Fields Too Large",
    message: "The request's headers are larger than this server takes. Send long values in the body.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: "Request Timeout",
    message: "The request's headers did not arrive in time.",
  },
};
const broken = { status: 400, reason: "Bad Request", message: "The request is not valid HTTP/1.1." };

/**
 * Answers what was never a whole request head, and ends its connection. The
 * body is a JSON-RPC error, which clients of the gateway and of the API can read.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  // A connection that broke, or on which an answer is under way, can be told nothing.
  const busy = "_httpMessage" in socket && socket._httpMessage !== null && socket._httpMessage !== undefined;
  if (error.code === "ECONNRESET" || !socket.writable || busy) return void socket.destroy();
  const { status, reason, message } = answers[error.code ?? ""] ?? broken;
  const body = errorText(null, ownCode(status), message, { boundary: status === 400 ? "protocol" : "limit" });
  socket.end(
    [
      `HTTP/1.1 ${status} ${reason}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      "x-content-type-options: nosniff",
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

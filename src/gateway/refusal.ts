import { errorText, ownCode } from "../mcp/errors.ts";
import type { RequestId } from "../mcp/envelope.ts";
import type { Boundary } from "./ports.ts";

export interface RefusalDetail {
  /** A JSON-RPC code; without it, our own for the status. */
  readonly code?: number;
  /** What would have sufficed. Only for those who may know that the server exists. */
  readonly needed?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Why, for the record; the message where absent. */
  readonly because?: string;
  readonly outcome?: "timeout" | "upstream_gone";
}

/** A request that stops here: where, with which HTTP status, and what to tell. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly boundary: Boundary;
  readonly status: number;
  readonly code: number;
  readonly detail: RefusalDetail;

  constructor(boundary: Boundary, status: number, message: string, detail: RefusalDetail = {}) {
    // A refusal is an answer, not a fault of ours: its stack would only cost.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
    this.boundary = boundary;
    this.status = status;
    this.code = detail.code ?? ownCode(status);
    this.detail = detail;
  }

  /** The body that says so: a JSON-RPC error with the boundary and the request's id in the log. */
  text(id: RequestId | null, request: string): string {
    return errorText(id, this.code, this.message, {
      ...this.detail.data,
      boundary: this.boundary,
      ...(this.detail.needed === undefined ? {} : { needed: this.detail.needed }),
      ...(this.boundary === "routing" ? {} : { request }),
    });
  }
}

/**
 * The one answer for what is not there and for what the caller may not know
 * of. Nothing in it depends on which of the two it is.
 */
export function notFound(because: string): Refusal {
  return new Refusal(
    "routing",
    404,
    "There is no such endpoint, or your key gives no access to it. Check the address, or ask the organization's admins for a role on the server.",
    { because },
  );
}

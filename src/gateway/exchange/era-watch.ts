import { isObject } from "../../mcp/envelope.ts";
import type { Era } from "../../mcp/eras.ts";
import { codes } from "../../mcp/errors.ts";
import { AskError } from "../../upstream/client.ts";

/** Bytes of an answer that are looked into. */
const HEARD_BYTES = 65_536;

/** Looks, as it passes, into an answer of an external server that may say that it speaks another era. */
export class EraWatch {
  readonly #spoken: Era;
  readonly #method: string | null;
  readonly #status: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(spoken: Era, method: string | null, status: number) {
    this.#spoken = spoken;
    this.#method = method;
    this.#status = status;
  }

  hear(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size <= HEARD_BYTES) this.#chunks.push(chunk);
  }

  /** Once the answer has ended. */
  contradicts(): boolean {
    const body = this.#size <= HEARD_BYTES ? Buffer.concat(this.#chunks).toString() : "";
    return contradicts(this.#spoken, this.#method, this.#status, codeIn(body));
  }
}

/** Whether an answer can say so at all, by its status; few have to be looked into. */
export function mayContradict(method: string | null, status: number): boolean {
  if (status === 200) return method === "server/discover" || method === "initialize";
  return status === 400 || status === 404 || status === 405;
}

/** Whether a session could not be opened because the server does not speak the handshake era any more. */
export function disowns(error: unknown): boolean {
  if (!(error instanceof AskError) || error.answer === undefined) return false;
  const { status, response } = error.answer;
  const said = response?.["error"];
  return contradicts("handshake", "initialize", status, isObject(said) ? said["code"] : undefined);
}

/**
 * Whether an answer says that the server does not speak the era in which it was
 * spoken to (2026-07-28, basic/versioning). 401, 403 and 5xx say nothing of it.
 */
function contradicts(spoken: Era, method: string | null, status: number, code: unknown): boolean {
  const stateless =
    code === codes.headerMismatch ||
    code === codes.missingClientCapability ||
    code === codes.unsupportedVersion;
  if (spoken === "stateless") {
    if (status === 400) {
      return code === codes.unsupportedVersion || (!stateless && code !== codes.invalidParams);
    }
    if (status === 404) return code !== codes.methodNotFound;
    return status === 405 || (method === "server/discover" && code === codes.methodNotFound);
  }
  // It takes no POST at all: it may speak the transport that was before Streamable HTTP.
  if (status === 405) return true;
  if (status === 400) return stateless || code === codes.invalidParams;
  return code === codes.methodNotFound && (status === 404 || method === "initialize");
}

function codeIn(body: string): unknown {
  try {
    const message: unknown = JSON.parse(body);
    return isObject(message) && isObject(message["error"]) ? message["error"]["code"] : undefined;
  } catch {
    return;
  }
}

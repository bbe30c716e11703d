import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { DEEPEST, parseLossless } from "../../mcp/lossless.ts";
import { Refusal } from "../refusal.ts";

/** A message as an upstream wrote it, its numbers exact; undefined where it is none, or nests too deep. */
export function upstreamMessage(text: string): JsonObject | undefined {
  try {
    const value = parseLossless(text);
    return isObject(value) && value["jsonrpc"] === "2.0" ? value : undefined;
  } catch {
    return;
  }
}

export function noMessage(): Refusal {
  return new Refusal(
    "upstream",
    502,
    `The server's answer is not a JSON-RPC message, or one that nests deeper than ${DEEPEST} levels.`,
  );
}

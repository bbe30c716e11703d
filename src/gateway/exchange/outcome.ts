import { isObject } from "../../mcp/envelope.ts";
import { learnEra } from "../era.ts";
import type { Exchange } from "./exchange.ts";

/** Answers up to this size are looked into for the record. */
const INSPECTED_BYTES = 16 * 1024;

/** What an answer says in some place when it is more than a plain result; what is within JSON strings is escaped. */
const telling = /"(?:error|task|input_required)"|"isError"\s*:\s*true/;

/** Whether an answer shows at a glance that it is a result of which nothing is noted and in which nothing changes. */
export function isPlain(text: string): boolean {
  return text.length <= INSPECTED_BYTES && !telling.test(text);
}

/**
 * Notes a JSON-RPC error or an `isError` result, where that is cheap: of a
 * small JSON answer, or of the last small piece of a stream; read only
 * when it contains the words. Larger answers are not looked into.
 */
export function noteOutcome(x: Exchange, bytes: Buffer, events: boolean): void {
  if (bytes.length > INSPECTED_BYTES || isPlain(bytes.toString("latin1"))) return;
  const text = bytes.toString();
  const start = events ? text.lastIndexOf("data:") + 5 : 0;
  try {
    noteMessage(x, JSON.parse(text.slice(start)));
  } catch {
    // A piece that begins within an event is not looked into.
  }
}

/** Notes into the record what a JSON-RPC response says of its outcome. */
export function noteMessage(x: Exchange, message: unknown): void {
  if (!isObject(message)) return;
  if (x.choice !== undefined) learnEra(x.choice, message);
  const { error, result } = message;
  if (isObject(error)) {
    x.record.is_error = true;
    x.record.jsonrpc_code = typeof error["code"] === "number" ? error["code"] : null;
    x.record.error = typeof error["message"] === "string" ? error["message"].slice(0, 500) : null;
  } else if (isObject(result) && result["isError"] === true) x.record.is_error = true;
}

import { glance, GLANCE_BYTES } from "../../mcp/glance.ts";

/** What stream beginnings are looked at. */
const LOOK_BYTES = 2 * GLANCE_BYTES;

/**
 * Whether an event stream begins with a response and nothing else that must
 * be read: no ids, no notification. Undefined: the bytes do not tell yet.
 */
export function beginsWithResponse(bytes: Buffer): boolean | undefined {
  const text = bytes.toString("latin1", 0, LOOK_BYTES);
  const all = text.length === LOOK_BYTES;
  for (let at = 0; ;) {
    const found = text.slice(at).search(/[\r\n]/);
    const end = found < 0 ? text.length : at + found;
    const line = text.slice(at, end);
    if (line.startsWith("data:")) {
      const kind = glance(line.slice(5));
      if (kind !== undefined) return kind === "response";
      return found >= 0 || all ? false : undefined;
    }
    if (found < 0) return all ? false : undefined;
    if (line !== "" && !line.startsWith(":") && !line.startsWith("event:")) return false;
    at = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
  }
}

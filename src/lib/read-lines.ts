import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/**
 * Calls `onLine` with each line of a stream, without its end; a longer one than
 * `longest` characters comes in pieces, so that nobody fills our memory with a
 * line that never ends. Resolves when the stream has ended, or broke.
 */
export function readLines(
  stream: Readable,
  onLine: (text: string) => void,
  longest = 64 * 1024,
): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const tell = (line: string): void => {
    for (let at = 0; at === 0 || at < line.length; at += longest) onLine(line.slice(at, at + longest));
  };
  const take = (text: string): void => {
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      const line = rest + text.slice(from, end);
      rest = "";
      from = end + 1;
      tell(line.endsWith("\r") ? line.slice(0, -1) : line);
    }
    rest += text.slice(from);
    if (rest.length > longest) {
      const whole = rest.length - (rest.length % longest);
      tell(rest.slice(0, whole));
      rest = rest.slice(whole);
    }
  };
  stream.on("data", (chunk: Buffer) => take(decoder.write(chunk)));
  // What breaks a stream is told by the end of its process or connection.
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.once("close", () => {
      if (rest !== "") onLine(rest);
      resolve();
    });
  });
}

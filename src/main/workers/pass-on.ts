import { Agent, type IncomingMessage, request, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { OffingError } from "../../contract/errors.ts";
import { ofOneConnection } from "../../gateway/hand-over.ts";
import { problem } from "../../http/problem.ts";

/** Passes requests on to the program's own listener, whole and as they came, and its answers back as they come. */
export function createPassOn(socketPath: string): {
  pass(req: IncomingMessage, res: ServerResponse): void;
  close(): void;
} {
  const agent = new Agent({ keepAlive: true });
  return {
    pass(req, res) {
      const { method, url, headers } = req;
      const list = endToEnd(req.rawHeaders);
      // Node frames a body of unknown length by itself for some methods only.
      if (headers["transfer-encoding"] !== undefined) list.push("Transfer-Encoding", "chunked");
      const onward = request({ socketPath, agent, method, path: url, headers: list });
      onward.on("response", (answer) => {
        const head = endToEnd(answer.rawHeaders);
        // The body is not read to its end.
        if (answer.headers.connection === "close") head.push("Connection", "close");
        res.writeHead(answer.statusCode ?? 502, answer.statusMessage, head);
        res.flushHeaders();
        pipeline(answer, res, () => {});
      });
      onward.on("error", () => {
        if (res.headersSent) return void res.destroy();
        const unreachable = new OffingError("unavailable", "the program is stopping or starting again");
        const { status, headers: said, body } = problem(unreachable);
        res.writeHead(status, said).end(body);
      });
      res.on("close", () => {
        if (!res.writableFinished) onward.destroy();
      });
      res.on("error", () => {});
      req.on("error", () => onward.destroy());
      req.pipe(onward);
    },
    close: () => agent.destroy(),
  };
}

/** Names and values in turn, without what holds for one connection only. */
function endToEnd(raw: readonly string[]): string[] {
  const list: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (name === "content-length" || !ofOneConnection.has(name)) list.push(raw[i]!, raw[i + 1]!);
  }
  return list;
}

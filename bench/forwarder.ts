import { createServer } from "node:http";
import { Pool } from "undici";

/** The least that forwards: no checks, no limits, no record. argv: upstream socket, own socket. */
const [, , upstream, own] = process.argv;
const pool = new Pool("http://localhost:8000", { socketPath: upstream!, pipelining: 1 });
createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    pool.dispatch(
      {
        path: "/mcp",
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
        body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
      },
      {
        onRequestStart() {},
        onResponseStart(controller, status, headers) {
          res.on("close", () => !res.writableFinished && controller.abort(new Error("gone")));
          res.writeHead(status, headers);
        },
        onResponseData(controller, chunk) {
          if (res.write(chunk)) return;
          controller.pause();
          res.once("drain", () => controller.resume());
        },
        onResponseEnd: () => void res.end(),
        onResponseError: (_, error) => void res.destroy(error),
      },
    );
  });
}).listen(own, () => process.send?.("ready"));
process.on("message", () => process.send?.(process.cpuUsage()));

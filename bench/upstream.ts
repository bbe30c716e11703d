import { createServer } from "node:http";

/** A trivial upstream on a unix socket; it answers a call of the tool "stream" with events, any other with JSON. argv: own socket. */
const answer = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: {
    resultType: "complete",
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    content: [{ type: "text", text: "5" }],
    isError: false,
  },
});
const json = ["content-type", "application/json", "content-length", String(answer.length)];
const events = ["content-type", "text/event-stream", "cache-control", "no-cache, no-transform"];
createServer((req, res) => {
  let streams = false;
  req.on("data", (chunk: Buffer) => (streams ||= chunk.includes('"stream"')));
  req.on("end", () => {
    if (streams) res.writeHead(200, events).end(`event: message\ndata: ${answer}\n\n`);
    else res.writeHead(200, json).end(answer);
  });
}).listen(process.argv[2], () => process.send?.("ready"));

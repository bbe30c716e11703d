import { createServer } from "node:http";

/** A trivial JSON upstream on a unix socket. argv: own socket. */
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
const head = ["content-type", "application/json", "content-length", String(answer.length)];
createServer((req, res) => {
  req.resume();
  req.on("end", () => res.writeHead(200, head).end(answer));
}).listen(process.argv[2], () => process.send?.("ready"));

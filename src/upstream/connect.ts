/**
 * A program of its own: `connect.ts SOCKET HOST PORT` joins its standard
 * input and output to HOST:PORT through the proxy on the unix socket SOCKET
 * (HTTP CONNECT). It is ssh's ProxyCommand, so that ssh passes the guard too.
 */
import { connect } from "node:net";

const [socketPath, host, port] = process.argv.slice(2);
if (!socketPath || !host || !port) throw new Error("usage: connect.ts SOCKET HOST PORT");

const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
const socket = connect(socketPath);
socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);

let head = Buffer.alloc(0);
const onHead = (chunk: Buffer): void => {
  head = Buffer.concat([head, chunk]);
  const end = head.indexOf("\r\n\r\n");
  if (end < 0) return;
  socket.off("data", onHead);
  socket.pause();
  if (!head.subarray(0, end).toString("latin1").startsWith("HTTP/1.1 200")) {
    process.stderr.write(head.subarray(end + 4));
    process.exitCode = 1;
    socket.pipe(process.stderr);
    return;
  }
  process.stdout.write(head.subarray(end + 4));
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
};
socket.on("data", onHead);
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
socket.on("close", () => process.stdin.destroy());

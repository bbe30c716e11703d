import { connect, type Socket } from "node:net";

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/**
 * Sends the same HTTP/1.1 request over `connections` kept-alive connections to
 * a unix socket, or a port of this machine, until `requests` are answered. Latencies in milliseconds.
 * Throws when an answer is not 200.
 */
export async function load(
  socket: string | number,
  request: { headers: Readonly<Record<string, string>>; path: string; body: string },
  connections: number,
  requests: number,
): Promise<Load> {
  const bytes = Buffer.from(
    [
      `POST ${request.path} HTTP/1.1`,
      "host: localhost:8000",
      ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`),
      `content-length: ${Buffer.byteLength(request.body)}`,
      "",
      request.body,
    ].join("\r\n"),
  );
  const times: number[] = [];
  let left = requests;
  const started = performance.now();
  const worker = () =>
    new Promise<void>((resolve, reject) => {
      const peer: Socket = typeof socket === "number" ? connect(socket, "127.0.0.1") : connect(socket);
      let sentAt = 0;
      let received = "";
      const next = () => {
        if (left-- <= 0) {
          peer.destroy();
          return resolve();
        }
        sentAt = performance.now();
        peer.write(bytes);
      };
      peer.on("connect", next);
      peer.on("error", reject);
      peer.on("data", (chunk) => {
        received += chunk.toString("latin1");
        if (!isWhole(received)) return;
        if (!received.startsWith("HTTP/1.1 200")) return reject(new Error(received));
        received = "";
        times.push(performance.now() - sentAt);
        next();
      });
    });
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  return { requests: times.length, seconds, p50: at(0.5), p99: at(0.99) };
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, end));
  if (length !== null) return text.length >= end + 4 + Number(length[1]);
  return text.endsWith("0\r\n\r\n");
}

import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** What a connection is answered, up to its end, on which the program decides alone. */
async function untilEnd(head: string, body: string): Promise<string> {
  const { hostname, port, host } = new URL(world.url);
  const socket = connect(Number(port), hostname);
  socket.write(`${head}\r\nHost: ${host}\r\nOrigin: ${world.url}\r\n\r\n${body}`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe("who brings no key holds no connection", () => {
  it.concurrent.each([
    ["promises a body and sends none", "Content-Length: 100", ""],
    ["sends some of it", "Content-Length: 100", '{"token":'],
    ["sends chunks without an end", "Transfer-Encoding: chunked", '2\r\n{"\r\n'],
  ])("one that %s is told so, and its connection ends", async (_, framing, body) => {
    for (const method of ["POST", "DELETE"]) {
      const answer = await untilEnd(`${method} /api/v1/web-session HTTP/1.1\r\n${framing}`, body);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).toContain("within 10 seconds");
    }
  });

  it.concurrent.each([
    ["says so first", "Content-Length: 4097", ""],
    ["does not say", "Transfer-Encoding: chunked", `1001\r\n${"x".repeat(4097)}\r\n`],
  ])("one that sends more than 4 KiB, and %s", async (_, framing, body) => {
    const answer = await untilEnd(`POST /api/v1/web-session HTTP/1.1\r\n${framing}`, body);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain("4 KiB");
  });

  it.concurrent.each([
    ["the API", "GET /api/v1/me", 401],
    ["the API, to write", "POST /api/v1/organizations/default/keys", 401],
    ["the pages", "GET /", 503],
    ["the pages, to write", "POST /", 405],
  ])("one that promises %s a body that nobody reads", async (_, line, status) => {
    const answer = await untilEnd(`${line} HTTP/1.1\r\nContent-Length: 100`, "");
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });
});

import { once } from "node:events";
import { request } from "node:http";
import { expect, test } from "vitest";
import { scene } from "./scene.ts";
import { openSession, wellBehaved } from "./scripted.ts";

test("A standing stream that its client closes has ended as such streams do: its record is complete.", async () => {
  const { url, key, world } = await scene((received) => {
    if (received.req.method !== "GET") return wellBehaved(received);
    received.res.writeHead(405).end();
  });
  const session = await openSession(url, key);
  const headers = {
    accept: "text/event-stream",
    authorization: `Bearer ${key}`,
    "mcp-session-id": session,
    "mcp-protocol-version": "2025-11-25",
  };
  const standing = request(url, { headers });
  standing.on("error", () => {});
  standing.end();
  const [response] = await once(standing, "response");
  expect(response.statusCode).toBe(200);
  standing.destroy();
  const record = await world.record((each) => each.http_method === "GET");
  expect(record).toMatchObject({ outcome: "complete", http_status: 200, is_error: false });
});

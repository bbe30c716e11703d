import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, expect, it } from "vitest";
import { TestGateway } from "../gateway/harness.ts";
import { keep } from "../gateway/scene.ts";
import { ScriptedUpstream, statelessCall, wellBehaved } from "../gateway/scripted.ts";
import { describeIf } from "../needs.ts";
import { closeChromium, hasChromium, openTab, whyNot } from "./pages.ts";

describeIf(hasChromium, whyNot)("a page as an MCP client", () => {
  afterAll(closeChromium);

  it("of another origin on this machine calls an endpoint in both eras, and reads refusals [R:guards.browser]", async () => {
    const upstream = keep(await ScriptedUpstream.start(wellBehaved));
    const world = keep(await TestGateway.start());
    const url = world.publish("s", { address: upstream.address });
    const { key } = world.key({ roles: { s: "user" } });
    const server = createServer((_, res) => void res.end("<!doctype html><title>client</title>"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    keep({ [Symbol.asyncDispose]: async () => void server.close() });
    const { page } = await openTab({ refused: [401] });
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    const send = (headers: Record<string, string>, body: string) =>
      page.evaluate(
        async ([to, given, text]) => {
          const response = await fetch(to, { method: "POST", headers: given, body: text });
          const read = (name: string) => response.headers.get(name);
          return {
            status: response.status,
            session: read("mcp-session-id"),
            challenge: read("www-authenticate"),
            text: await response.text(),
          };
        },
        [url, headers, body] as const,
      );
    const authorization = `Bearer ${key}`;
    const call = statelessCall("tools/call", { name: "t", arguments: {} });
    const called = await send(
      { ...call.headers, authorization, "mcp-param-region": "eu", traceparent: "00-a-b-01" },
      call.body,
    );
    expect(called.status).toBe(200);
    expect(called.text).toContain("session ");
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "page", version: "1" },
    };
    const opened = await send(
      { "content-type": "application/json", authorization },
      JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
    );
    expect(opened.session).toMatch(/^[\x21-\x7e]+$/);
    const refused = await send(call.headers, call.body);
    expect(refused.status).toBe(401);
    expect(refused.challenge).toContain("Bearer");
  });
});

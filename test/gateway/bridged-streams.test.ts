import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { RawStream, standing, until } from "./raw-stream.ts";
import { openSession } from "./scripted.ts";
import { connect, methods, Running } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

/** A program on standard input and output that speaks by itself, once it has answered. */
const program = `import json, sys

def out(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

subscribed = []
for line in sys.stdin:
    message = json.loads(line)
    method, params, number = message.get("method"), message.get("params", {}), message.get("id")
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
        info = {"name": "speaking", "version": "1"}
        out(id=number, result={"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info})
    elif method == "tools/list":
        out(id=number, result={"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("touch", "ask")]})
    elif method == "resources/list":
        out(id=number, result={"resources": [{"uri": "note://one", "name": "one"}]})
    elif method == "resources/subscribe":
        subscribed.append(params["uri"])
        out(id=number, result={})
    elif method == "tools/call":
        out(id=number, result={"content": [{"type": "text", "text": "done"}]})
        if params["name"] == "ask":
            out(id="question", method="roots/list")
        for uri in subscribed:
            out(method="notifications/resources/updated", params={"uri": uri})
    elif method is None and number == "question":
        for uri in subscribed:
            roots = len(message.get("result", {}).get("roots", []))
            out(method="notifications/resources/updated", params={"uri": uri, "roots": roots})
    elif number is not None:
        out(id=number, error={"code": -32601, "message": "Method not found"})
`;

let world: TestGateway;
let running: Running;
let url: string;
let key: string;
beforeAll(async () => {
  running = await Running.start("speaking", { source: program, requirements: [] });
  world = await TestGateway.start();
  url = running.publish(world, "speaking");
  key = world.key({ roles: { speaking: "user" } }).key;
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await running?.[Symbol.asyncDispose]();
});

test("What a program says after its answers reaches the client whose session it is. [R:hub.program-first]", async () => {
  expect(running.manifest.eras).toEqual(["handshake"]);
  await using client = await connect(url, key, "handshake");
  await client.client.subscribeResource({ uri: "note://one" });
  await until(async () => {
    await client.call("touch");
    return client.inbox.told.length > 0;
  });
  expect(client.inbox.told[0]!.method).toBe(methods.updated);
});

test("A program may ask its client between calls, on the stream of its session. [R:hub.program-asks]", async () => {
  const session = await openSession(url, key);
  const headers = { ...standing(session).headers, "content-type": "application/json" };
  const post = async (message: object) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${key}` },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
    await response.arrayBuffer();
    return response.status;
  };
  await post({ method: "notifications/initialized" });
  await post({ id: 1, method: "resources/subscribe", params: { uri: "note://one" } });
  await using stream = await RawStream.open(url, key, standing(session));
  const asked = () => stream.messages.find(({ method }) => method === "roots/list");
  await until(async () => {
    await post({ id: 2, method: "tools/call", params: { name: "ask", arguments: {} } });
    return asked() !== undefined;
  });
  expect(asked()!.id).toBe("question");
  expect(
    await post({ id: "question", result: { roots: [{ uri: "file:///a" }, { uri: "file:///b" }] } }),
  ).toBe(202);
  await stream.until(({ messages }) => messages.some(({ params }) => params?.["roots"] === 2));
});

import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { logLevels } from "../../src/mcp/translate.ts";
import { content, send } from "./asked.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { event, keep } from "./scene.ts";
import { json, type Received } from "./scripted.ts";

/** A call at the server; it says what the level in force lets it say, and ends. */
interface Call {
  say(level: string): void;
  end(): void;
}

/** A handshake server that runs elsewhere, has one log level for each session, and keeps what it was told. */
async function logging() {
  const told: string[] = [];
  const levels = new Map<string, string>();
  const calls: Call[] = [];
  const waiting: (() => void)[] = [];
  const http = createServer();
  let sessions = 0;
  /** How the next messages that set a level are answered; undefined: they are taken. */
  let refusing: number | undefined;
  const called = (res: ServerResponse, id: unknown, session: string): Call => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    return {
      say(level) {
        const least = logLevels.findIndex((each) => each === (levels.get(session) ?? "debug"));
        if (logLevels.findIndex((each) => each === level) < least) return;
        const params = { level, data: level };
        res.write(event({ jsonrpc: "2.0", method: "notifications/message", params }));
      },
      end: () => void res.end(event({ jsonrpc: "2.0", id, result: { content } })),
    };
  };
  http.on("request", async (req, res) => {
    let text = "";
    for await (const chunk of req) text += String(chunk);
    const { id, method, params } = JSON.parse(text === "" ? "{}" : text) as Received["message"];
    const session = String(req.headers["mcp-session-id"]);
    if (method === "initialize") {
      res.setHeader("mcp-session-id", `session-${++sessions}`);
      const serverInfo = { name: "logging", version: "1" };
      const result = { protocolVersion: "2025-11-25", capabilities: { logging: {} }, serverInfo };
      return json(res, { jsonrpc: "2.0", id, result });
    }
    if (req.method === "POST" && session !== `session-${sessions}`) return json(res, {}, 404);
    if (method === "logging/setLevel") {
      told.push(String(params!["level"]));
      if (refusing !== undefined) return json(res, {}, refusing);
      levels.set(session, told.at(-1)!);
      return json(res, { jsonrpc: "2.0", id, result: {} });
    }
    if (method !== "tools/call") return void res.writeHead(202).end();
    calls.push(called(res, id, session));
    for (const wake of waiting.splice(0)) wake();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  keep({
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  });
  const world = keep(await TestGateway.start());
  const definition = { name: "t", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } };
  const url = world.publish("s", {
    address: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    external: true,
    eras: ["handshake"],
    manifest: { ...emptyManifest, items: [{ kind: "tool", name: "t", definition, hash: "1" }] },
  });
  const { key } = world.key({ roles: { s: "user" } });
  /** A call that wants log messages from a level on; none without. Resolves once the server works on it. */
  const call = async (level?: string) => {
    const meta = level === undefined ? {} : { "io.modelcontextprotocol/logLevel": level };
    const before = calls.length;
    const { answer } = await send(url, key, { meta, capabilities: {} });
    while (calls.length === before) await new Promise<void>((wake) => waiting.push(wake));
    const at = calls[before]!;
    return {
      ...at,
      /** Ends it; what its client was told of levels. */
      async over() {
        at.end();
        const { messages, result } = await answer;
        expect(result.content).toEqual(content);
        return messages.flatMap(({ params }) => (params === undefined ? [] : [params["level"] as string]));
      },
    };
  };
  return {
    told,
    call,
    lose: () => void sessions++,
    refuse: (status: number | undefined) => void (refusing = status),
  };
}

test("Calls that share a session get each the log messages that they asked for, and the server is told the most verbose level that one of them needs. [R:bridges.shared-level]", async () => {
  const { told, call } = await logging();
  const severe = await call("error");
  expect(told).toEqual(["error"]);
  const verbose = await call("debug");
  expect(told).toEqual(["error", "debug"]);
  const silent = await call();
  const middle = await call("warning");
  for (const each of [severe, verbose, silent, middle]) {
    for (const level of ["debug", "info", "warning", "error"]) each.say(level);
  }
  expect(await silent.over()).toEqual([]);
  expect(await middle.over()).toEqual(["warning", "error"]);
  expect(await severe.over()).toEqual(["error"]);
  // Nobody needed anything else meanwhile.
  expect(told).toEqual(["error", "debug"]);
  expect(await verbose.over()).toEqual(["debug", "info", "warning", "error"]);
});

test("A shared session is as quiet as its calls want it, once the one that wanted more is over.", async () => {
  const { told, call } = await logging();
  const verbose = await call("debug");
  await verbose.over();
  const severe = await call("error");
  expect(told).toEqual(["debug", "error"]);
  severe.say("debug");
  severe.say("critical");
  expect(await severe.over()).toEqual(["critical"]);
});

test("The session that takes the place of a lost one is told the level that its call wants. [R:bridges.shared-level-again]", async () => {
  const { told, call, lose } = await logging();
  await (await call("error")).over();
  lose();
  const again = await call("error");
  expect(told).toEqual(["error", "error"]);
  again.say("warning");
  again.say("error");
  expect(await again.over()).toEqual(["error"]);
});

test("A server that refuses the level works on all the same, and is told by the next call that wants one.", async () => {
  const { told, call, refuse } = await logging();
  refuse(503);
  const first = await call("error");
  first.say("debug");
  first.say("error");
  expect(await first.over()).toEqual(["error"]);
  refuse(undefined);
  for (let n = 0; n < 2; n++) await (await call("error")).over();
  expect(told).toEqual(["error", "error"]);
});

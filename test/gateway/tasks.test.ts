import { expect, test, vi } from "vitest";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { keep } from "./scene.ts";
import { json, openSession, ScriptedUpstream, statelessCall, wellBehaved } from "./scripted.ts";
import { TasksServer } from "./tasks-server.ts";

const declared = {
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};
const needed = { extensions: { "io.modelcontextprotocol/tasks": {} } };

interface Answer {
  readonly status: number;
  readonly result?: Record<string, unknown> & { taskId: string; status: string };
  readonly error?: { code: number; message: string; data?: Record<string, unknown> };
}

async function place(external = false) {
  const server = keep(await TasksServer.start());
  const world = keep(await TestGateway.start());
  const pools = createPools();
  const manifest = await discover(pools.at(server.address));
  await pools.close();
  const publish = (slug: string, deployment = "live") =>
    world.publish(slug, {
      address: external ? server.url : server.address,
      external,
      manifest,
      deployment,
    });
  const url = publish("s");
  const { key, principal } = world.key({ roles: { s: "user", other: "user" } });
  const send = async (
    method: string,
    params: Record<string, unknown>,
    given: {
      as?: string;
      at?: string;
      meta?: Record<string, unknown>;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Answer> => {
    const made = statelessCall(method, params, given.meta ?? declared);
    const named = typeof params["taskId"] === "string" ? { "mcp-name": params["taskId"] } : {};
    const answer = await fetch(given.at ?? url, {
      method: "POST",
      headers: { ...made.headers, ...named, authorization: `Bearer ${given.as ?? key}`, ...given.headers },
      body: made.body,
    });
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  const call = (name: string, args: object = {}, given = {}) =>
    send("tools/call", { name, arguments: args }, given);
  return { server, world, url, publish, key, principal, send, call };
}

for (const external of [false, true]) {
  const where = external ? "that runs elsewhere" : "of ours";
  test(`A call at a server ${where} that becomes a task is known to the client by an id of the gateway, under which it is read to its end. [R:tasks.own-ids]`, async () => {
    const { server, call, send } = await place(external);
    const { result: made } = await call("slow_compute", { seconds: 3600 });
    expect(made).toMatchObject({ resultType: "task", status: "working", ttlMs: 60_000 });
    const [own] = server.ids;
    expect(JSON.stringify(made)).not.toContain(own);
    const { taskId } = made!;
    expect((await send("tasks/get", { taskId })).result).toMatchObject({ taskId, status: "working" });
    server.finish(own!, "done at last");
    const { result } = await send("tasks/get", { taskId });
    expect(result).toMatchObject({
      resultType: "complete",
      taskId,
      status: "completed",
      result: { content: [{ type: "text", text: "done at last" }] },
    });
  });
}

test("Header and body of a call on a task are rewritten together for its server. [R:tasks.rewritten-together]", async () => {
  const { server, call, send, world } = await place();
  const { taskId } = (await call("confirm_delete")).result!;
  const inputResponses = { confirm: { action: "accept", content: { name: "yes" } } };
  expect((await send("tasks/update", { taskId, inputResponses })).result).toMatchObject({
    resultType: "complete",
  });
  const { headers, message } = server.received.at(-1)!;
  expect(headers["mcp-name"]).toBe(server.ids[0]);
  expect(message["params"]).toMatchObject({ taskId: server.ids[0], inputResponses });
  expect((await send("tasks/get", { taskId })).result).toMatchObject({
    status: "completed",
    result: { content: [{ text: 'deleted: {"name":"yes"}' }] },
  });
  const record = await world.record((r) => r.method === "tasks/update");
  expect(record).toMatchObject({ capability_kind: "tool", capability_name: "confirm_delete" });
});

test("Cancelling a task is acknowledged, again and again, and told by the next look. [R:tasks.cancel]", async () => {
  const { call, send } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  for (let i = 0; i < 2; i++) {
    expect((await send("tasks/cancel", { taskId })).result).toEqual({ resultType: "complete" });
  }
  expect((await send("tasks/get", { taskId })).result).toMatchObject({ taskId, status: "cancelled" });
});

test("The header Mcp-Name must repeat the task's id. [R:tasks.name-mirrors]", async () => {
  const { call, send } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  for (const name of ["another", ""]) {
    const { status, error } = await send("tasks/get", { taskId }, { headers: { "mcp-name": name } });
    expect({ status, code: error?.code }).toEqual({ status: 400, code: -32020 });
  }
});

test("A client that does not declare the extension gets -32021 for every call on a task. [R:tasks.undeclared]", async () => {
  const { server, call, send } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  const before = server.received.length;
  for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
    const { status, error } = await send(method, { taskId, inputResponses: {} }, { meta: {} });
    expect(status).toBe(400);
    expect(error).toMatchObject({ code: -32021, data: { requiredCapabilities: needed } });
  }
  expect(server.received.length).toBe(before);
});

test("Unknown, forged, foreign, expired and forgotten tasks are answered in the same words. [R:tasks.one-answer]", async () => {
  const { server, world, publish, call, send } = await place();
  const other = publish("other");
  const preview = publish("s", "preview");
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  const stranger = world.key({ roles: { s: "user" } }).key;
  const talker = world.key({ roles: { h: "user" } }).key;
  const speaker = keep(await ScriptedUpstream.start(wellBehaved));
  const session = await openSession(world.publish("h", { address: speaker.address }), talker);
  const words = async (id: string, given = {}) => {
    const { status, error } = await send("tasks/get", { taskId: id }, given);
    delete error?.data?.["request"];
    return { status, error };
  };
  const unknown = await words("task_unknown");
  expect(unknown).toMatchObject({ status: 200, error: { code: -32602 } });
  expect(await words(server.ids[0]!)).toEqual(unknown);
  expect(await words(`${taskId.slice(0, -2)}AA`)).toEqual(unknown);
  expect(await words(session)).toEqual(unknown);
  expect(await words(taskId, { as: stranger })).toEqual(unknown);
  expect(await words(taskId, { at: other })).toEqual(unknown);
  expect(await words(taskId, { at: preview })).toEqual(unknown);
  expect((await words(taskId)).error).toBeUndefined();
  server.forget(server.ids[0]!);
  expect(await words(taskId)).toEqual(unknown);
  world.now = () => Date.now() + 24 * 60 * 60 * 1000;
  expect(await words(taskId)).toEqual(unknown);
});

test("Whoever may no longer call the server may not read its tasks either. [R:tasks.authorized]", async () => {
  const { server, world, call, send, principal, key } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  const before = server.received.length;
  ((principal as { grants?: unknown }).grants as Map<string, string>).set("srv_acme_s", "viewer");
  for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
    const { status, error } = await send(method, { taskId, inputResponses: {} });
    expect(status).toBe(403);
    expect(error?.data).toMatchObject({ boundary: "authorization" });
  }
  world.revoke(key);
  expect((await send("tasks/get", { taskId })).status).toBe(401);
  expect(server.received.length).toBe(before);
});

test("A gateway that knows nothing of a task opens the id that another one sealed. [R:tasks.any-replica]", async () => {
  const { world, call, send } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  await world.gateway.close();
  world.restart();
  expect((await send("tasks/get", { taskId })).result).toMatchObject({ taskId, status: "working" });
});

test("A task that outlasts the gateway's id is announced with the id's time. [R:tasks.honest-ttl]", async () => {
  const { call, send } = await place();
  const { result } = await call("slow_compute", { seconds: 3600, ttlMs: null });
  expect(result).toMatchObject({ resultType: "task", ttlMs: 86_400_000 });
  const { taskId } = result!;
  expect((await send("tasks/get", { taskId })).result).toMatchObject({ ttlMs: 86_400_000 });
});

test("A task for a request that did not declare the extension is its server's error. [R:tasks.never-undeclared]", async () => {
  const { server, world, call } = await place();
  server.careless = true;
  const { status, result, error } = await call("slow_compute", { seconds: 3600 }, { meta: {} });
  expect(result).toBeUndefined();
  expect(status).toBe(400);
  expect(error).toMatchObject({ code: -32021, data: { requiredCapabilities: needed } });
  const record = await world.record((r) => r.jsonrpc_code === -32021);
  expect(record).toMatchObject({ boundary: "upstream", is_error: true });
});

test("A task in answer to anything but a tool call is its server's error. [R:tasks.only-tool-calls]", async () => {
  const task = { resultType: "task", taskId: "one", status: "working" };
  const upstream = keep(
    await ScriptedUpstream.start(({ res, message }) =>
      json(res, { jsonrpc: "2.0", id: message.id, result: task }),
    ),
  );
  const world = keep(await TestGateway.start());
  const url = world.publish("s", { address: upstream.address });
  const { key } = world.key({ roles: { s: "user" } });
  const made = statelessCall("prompts/get", { name: "p" }, declared);
  const headers = { ...made.headers, authorization: `Bearer ${key}` };
  const answer = (await (await fetch(url, { method: "POST", headers, body: made.body })).json()) as Answer;
  expect(answer.result).toBeUndefined();
  expect(answer.error?.code).toBe(-32603);
});

test("server/discover announces tasks where the server does, and the handshake never. [R:tasks.announced]", async () => {
  const { send } = await place();
  const { result } = await send("server/discover", {});
  expect(result).toMatchObject({ capabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } });
  const upstream = keep(
    await ScriptedUpstream.start(({ res, message }) => {
      const capabilities = {
        tools: {},
        tasks: { list: {} },
        extensions: { "io.modelcontextprotocol/tasks": {} },
      };
      const said = { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "s", version: "1" } };
      json(res, { jsonrpc: "2.0", id: message.id, result: said });
    }),
  );
  const world = keep(await TestGateway.start());
  const url = world.publish("s", { address: upstream.address, eras: ["handshake"] });
  const { key } = world.key({ roles: { s: "user" } });
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  const { result: hello } = (await (await fetch(url, { method: "POST", headers, body })).json()) as Answer;
  expect(hello?.["capabilities"]).toMatchObject({ extensions: {} });
  expect(JSON.stringify(hello)).not.toContain("tasks");
});

test("The experimental kind of task is not asked for, and a tool is not said to support it in the other era. [R:tasks.experimental]", async () => {
  const upstream = keep(
    await ScriptedUpstream.start((received) => {
      const { res, message } = received;
      if (message.method !== "tools/list") return wellBehaved(received);
      const tool = { name: "t", inputSchema: { type: "object" }, execution: { taskSupport: "required" } };
      json(res, { jsonrpc: "2.0", id: message.id, result: { tools: [tool] } });
    }),
  );
  const world = keep(await TestGateway.start());
  const url = world.publish("s", { address: upstream.address, eras: ["handshake"] });
  const { key } = world.key({ roles: { s: "user" } });
  const session = { "mcp-session-id": await openSession(url, key), "mcp-protocol-version": "2025-11-25" };
  const post = async (body: string, headers: Record<string, string>) => {
    const sent = { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers };
    return (await (await fetch(url, { method: "POST", headers: sent, body })).json()) as Answer;
  };
  const params = { name: "t", arguments: { n: 1 }, task: { ttl: 1000 } };
  await post(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }), session);
  expect(upstream.received.at(-1)!.message.params).toEqual({ name: "t", arguments: { n: 1 } });
  const asked = statelessCall("tools/call", params);
  await post(asked.body, asked.headers);
  expect(upstream.received.at(-1)!.message.params).toEqual({ name: "t", arguments: { n: 1 } });
  const list = statelessCall("tools/list");
  const { result } = await post(list.body, list.headers);
  expect(result?.["tools"]).toEqual([{ name: "t", inputSchema: { type: "object" } }]);
});

test("A listener is told of its own tasks by the ids that it knows, and of no other's. [R:tasks.listen]", async () => {
  const { server, world, url, call, key } = await place();
  const { taskId } = (await call("slow_compute", { seconds: 3600 })).result!;
  const stranger = world.key({ roles: { s: "user" } }).key;
  const foreign = (await call("slow_compute", { seconds: 3600 }, { as: stranger })).result!.taskId;
  const taskIds = [taskId, foreign, "unknown"];
  const asked = statelessCall("subscriptions/listen", { notifications: { taskIds } }, declared);
  const answer = await fetch(url, {
    method: "POST",
    headers: { ...asked.headers, authorization: `Bearer ${key}` },
    body: asked.body,
  });
  const heard: Record<string, unknown>[] = [];
  const listening = (async () => {
    let text = "";
    for await (const chunk of answer.body!) {
      text += Buffer.from(chunk).toString();
      const events = text.split("\n\n");
      text = events.pop()!;
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) heard.push(JSON.parse(data) as Record<string, unknown>);
      }
      if (heard.some(({ method }) => method === "notifications/tasks")) return;
    }
  })();
  await vi.waitFor(() =>
    expect(heard[0]).toMatchObject({ params: { notifications: { taskIds: [taskId] } } }),
  );
  await vi.waitFor(() => expect(server.listeners).toBe(1));
  server.finish(server.ids[1]!, "not yours");
  server.finish(server.ids[0]!, "yours");
  await listening;
  expect(heard.slice(1)).toMatchObject([
    {
      method: "notifications/tasks",
      params: { taskId, status: "completed", result: { content: [{ text: "yours" }] } },
    },
  ]);
  await answer.body!.cancel().catch(() => {});
  const { status } = await fetch(url, {
    method: "POST",
    headers: { ...asked.headers, authorization: `Bearer ${key}` },
    body: statelessCall("subscriptions/listen", { notifications: { taskIds } }).body,
  });
  expect(status).toBe(400);
});

test("A task's id does not multiply what its server says of it. [R:tasks.bounded-error]", async () => {
  const said = "a".repeat(800_000);
  const upstream = keep(
    await ScriptedUpstream.start(({ res, message: { id, method } }) => {
      const task = { resultType: "task", taskId: "a", status: "working" };
      const made = method === "tools/call" ? { result: task } : { error: { code: -32000, message: said } };
      json(res, { jsonrpc: "2.0", id, ...made });
    }),
  );
  const { world, send } = await place();
  const at = world.publish("short", { address: upstream.address });
  const as = world.key({ roles: { short: "user" } }).key;
  const { taskId } = (await send("tools/call", { name: "t" }, { at, as })).result!;
  const { error } = await send("tasks/get", { taskId }, { at, as });
  expect(error!.code).toBe(-32000);
  expect(error!.message).toContain(taskId);
  expect(error!.message.length).toBeLessThan(2 * said.length);
});

test("What of tasks belongs to the other revision does not exist. [R:tasks.other-form]", async () => {
  const { server, send, world } = await place();
  for (const method of ["tasks/list", "tasks/result"]) {
    const { status, error } = await send(method, {});
    expect({ status, code: error?.code }).toEqual({ status: 404, code: -32601 });
  }
  const plain = world.publish("plain", { address: server.address, manifest: emptyManifest });
  const mine = world.key({ roles: { plain: "user" } }).key;
  const { status, error } = await send("tasks/get", { taskId: "one" }, { at: plain, as: mine });
  expect({ status, code: error?.code }).toEqual({ status: 404, code: -32601 });
});

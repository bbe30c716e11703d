import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { statelessCall } from "../gateway/scripted.ts";
import { deployed } from "../deploy.ts";
import { type Program, startProgram } from "../program.ts";
import { clients, type Connected } from "./matrix/clients.ts";
import { servers } from "./matrix/servers.ts";

/**
 * Every kind of client on every kind of server, through the whole product: deployed,
 * inspected, served. What cannot be had of a server stands beside it with the
 * reason, and is then not announced.
 */
vi.setConfig({ testTimeout: 30_000, hookTimeout: 240_000 });

let program: Program;
beforeAll(async () => {
  program = await startProgram();
});
afterAll(() => program[Symbol.asyncDispose]());

const answers = { elicitation: "Hello, Ada", sampling: "thought: deep", roots: "file:///home/ada" } as const;

describe.each(servers)("$name", (server) => {
  const { slug, files, upstreamEra, asks } = server;
  let url: string;
  beforeAll(async () => {
    const { build, log } = await deployed(program.owner, slug, files);
    if (build.error !== null) throw new Error(log.join("\n"));
    url = `${program.url}/${program.owner.slug}/${slug}/mcp`;
    if (upstreamEra === "auto") return;
    const at = { organization: program.owner.slug, server: slug };
    await program.owner.client.call("setServer", at, { upstreamEra });
  });

  describe.each(clients)("and $name:", ({ name, era, connect }) => {
    let client: Connected;
    beforeAll(async () => {
      client = await connect(url, program.owner.key);
    });
    afterAll(() => client[Symbol.asyncDispose]());

    test("a tool is called [R:matrix.tool]", async () => {
      expect(await client.call("add", { a: 2, b: 3 })).toBe("5");
    });

    test("progress arrives while the call lasts [R:matrix.progress]", async () => {
      const told: number[] = [];
      const counted = await client.call("count", { to: 3 }, { onprogress: (at) => told.push(at) });
      expect(counted).toBe("counted to 3");
      expect(told).toEqual([1, 2, 3]);
    });

    describe.each(asks)("a tool that asks, in the way of `%s`,", (way) => {
      test("for elicitation gets the user's answer [R:matrix.elicitation]", async () => {
        expect(await client.call(`${way}_elicitation`)).toBe(answers.elicitation);
      });

      test("for sampling gets the model's answer [R:matrix.sampling]", async () => {
        expect(await client.call(`${way}_sampling`)).toBe(answers.sampling);
      });

      test("for roots gets the client's [R:matrix.roots]", async () => {
        expect(await client.call(`${way}_roots`)).toBe(answers.roots);
      });
    });

    test("a call that the client gives up is cancelled in the tool [R:matrix.cancel]", async () => {
      const leaving = new AbortController();
      const call = client.call("hold", { who: name }, { signal: leaving.signal });
      call.catch(() => {});
      expect(await client.call("wait", { what: `${name} holds` })).toBe(`${name} holds`);
      leaving.abort();
      await expect(call).rejects.toThrow(/abort|cancel/i);
      const cancelled = `${name} is cancelled`;
      expect(await client.call("wait", { what: cancelled })).toBe(cancelled);
    });

    test("a large result arrives whole [R:matrix.large]", async () => {
      expect(await client.call("large")).toBe("x".repeat(5_000_000));
    });

    const { noSubscriptions } = server;
    test.each(noSubscriptions === null ? ["note://watched"] : [])(
      "a resource that is subscribed to, %s, tells that it was updated [R:matrix.subscribe]",
      async (uri) => {
        const { updated, end } = await client.subscribe(uri);
        expect(await client.call("touch")).toBe("touched");
        expect(await updated).toBe(uri);
        await end();
      },
    );

    test.each(noSubscriptions === null ? [] : [noSubscriptions])(
      "subscriptions are not announced: %s",
      () => {
        expect(client.offers["resources"]).not.toHaveProperty("subscribe", true);
      },
    );

    const noTasks =
      era === "handshake"
        ? "they are an extension of 2026-07-28, which the client does not speak"
        : server.noTasks;
    test.each(noTasks === null ? [] : [noTasks])("tasks are not announced: %s", () => {
      expect(client.offers).not.toHaveProperty("tasks");
      expect(client.offers).not.toHaveProperty(["extensions", extension]);
    });

    test.each(server.noTasks === null ? ["slow"] : [])(
      "a call, of `%s`, that may become a task is answered where the client knows no tasks",
      async (tool) => {
        expect(await client.call(tool, { name: "it" })).toBe("done with it");
      },
    );

    test.each(noTasks === null ? ["slow"] : [])(
      "a call, of `%s`, becomes a task for a client that knows tasks [R:matrix.task]",
      async (tool) => {
        expect(client.offers).toHaveProperty(["extensions", extension]);
        const created = await send("tools/call", { name: tool, arguments: { name: "it" } });
        expect(created).toMatchObject({ resultType: "task", taskId: expect.any(String) });
        let task = created;
        while (task["status"] === "working") task = await send("tasks/get", { taskId: created["taskId"] });
        expect(task).toMatchObject({
          status: "completed",
          result: { content: [{ type: "text", text: "done with it" }] },
        });
      },
    );
  });

  /** A request of a client that knows tasks, which the SDK's does not; its result. */
  async function send(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
    const { headers, body } = statelessCall(method, params, {
      "io.modelcontextprotocol/clientCapabilities": { extensions: { [extension]: {} } },
    });
    const named = typeof params["taskId"] === "string" ? { "mcp-name": params["taskId"] } : {};
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, ...named, authorization: `Bearer ${program.owner.key}` },
      body,
    });
    return ((await response.json()) as { result: Record<string, unknown> }).result;
  }
});

const extension = "io.modelcontextprotocol/tasks";

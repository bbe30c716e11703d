import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { joinPostgres } from "../../src/store/postgres.ts";
import { testCache } from "../cache.ts";
import { callText, deployed, mcpClient } from "../deploy.ts";
import { callTool, endpoint, hello, hold, isProgress, server } from "./held-server.ts";
import { type Line, workersOf } from "./lines.ts";
import { each, program } from "./two-workers.ts";

describe("Two gateway processes", () => {
  it("serve one port, and connections reach both. [R:workers.one-port]", async () => {
    expect(workersOf(program)).toHaveLength(2);
    const lines = await each();
    expect(new Set(lines.map((line) => line.worker))).toEqual(new Set(workersOf(program)));
  });

  it("both serve a session that began at one of them, and clients without sessions. [R:workers.any-session]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const session = await first.open(endpoint, program.owner.key);
    for (const line of [second, first]) {
      const list = await line.ask(endpoint, program.owner.key, { method: "tools/list" }, session);
      expect(list).toMatchObject({ result: { tools: expect.arrayContaining([expect.anything()]) } });
      const told = await line.ask(endpoint, program.owner.key, callTool("answer"), session);
      expect(told).toMatchObject({ result: { content: [{ text: "one" }] } });
      const stateless = await line.askStateless(endpoint, program.owner.key, callTool("answer"));
      expect(stateless).toMatchObject({ result: { content: [{ text: "one" }], resultType: "complete" } });
    }
    await first.send("DELETE", endpoint, { ...first.headers(program.owner.key), "mcp-session-id": session });
    const after = await second.post(endpoint, program.owner.key, callTool("answer"), session);
    expect(after.status).toBe(404);
  });

  it("both serve the SDK's client in either era.", async () => {
    for (const mode of ["legacy", "auto"] as const) {
      const client = await mcpClient(program, "default/shared", program.owner.key, mode);
      expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("answer");
      await Promise.all(
        Array.from({ length: 20 }, async () => expect(await callText(client, "answer")).toBe("one")),
      );
      await client.close();
    }
  });

  it("both refuse a key from the moment when its revocation is answered. [R:workers.revocation]", async () => {
    const lines = await each();
    for (let round = 0; round < 5; round++) {
      const made = await program.owner.client.call(
        "createKey",
        { organization: "default" },
        { label: "passing" },
      );
      for (const line of lines) {
        expect((await line.post(endpoint, made.key, { method: "initialize", params: hello })).status).toBe(
          200,
        );
      }
      await program.owner.client.call("revokeKey", { organization: "default", key: made.id });
      const after = await Promise.all(
        lines.map((line) => line.post(endpoint, made.key, { method: "initialize", params: hello })),
      );
      expect(after.map(({ status }) => status)).toEqual([401, 401]);
    }
  });

  it("both pass on the API, its streams and the pages. [R:workers.rest]", async () => {
    const authorization = `Bearer ${program.owner.key}`;
    for (const line of await each()) {
      const me = await line.send("GET", "/api/v1/me", { authorization });
      expect(me.status).toBe(200);
      expect(JSON.parse(me.text)).toMatchObject({ organization: { slug: "default" } });
      // They may still be being built when the program starts for the first time.
      const home = () => line.send("GET", "/", { host: new URL(program.url).host });
      const type = async () => (await home()).headers["content-type"];
      await expect.poll(type, { timeout: 50_000 }).toContain("text/html");
      const page = await home();
      expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
      expect((await line.send("GET", "/api/v1/nothing", { authorization })).status).toBe(404);
      const large = await line.send(
        "POST",
        "/api/v1/organizations/default/keys",
        { authorization, "content-type": "application/json" },
        JSON.stringify({ label: "x".repeat(2_000_000) }),
      );
      expect(large.status).toBeGreaterThanOrEqual(400);
      line.close();
    }
    const { build } = await deployed(program.owner, "second", server);
    expect(build.status).toBe("succeeded");
  });

  it("each write the records of what they served. [R:workers.records]", async () => {
    const lines = await each();
    const traces = lines.map((_, at) => `${at + 1}`.repeat(32));
    for (const [at, line] of lines.entries()) {
      const traceparent = `00-${traces[at]}-00f067aa0ba902b7-01`;
      await line.askStateless(endpoint, program.owner.key, callTool("answer"), { traceparent });
    }
    const seen = async () => {
      const { items } = await program.owner.client.call(
        "listRequests",
        { organization: "default", server: "shared" },
        { limit: 200 },
      );
      return traces.map((trace) => items.filter((item) => item.trace === trace).length);
    };
    await expect.poll(seen, { timeout: 10_000 }).toEqual([1, 1]);
  });
});

describe("What one gateway process holds", () => {
  it("the other hands requests over for: a stream is resumed at either. [R:workers.resumed-anywhere]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const session = await first.open(endpoint, key);
    const held = await first.stream(endpoint, key, hold("resumed"), session);
    const event = await held.next(isProgress);
    held.leave();
    await second.ask(endpoint, key, callTool("release", { name: "resumed" }), session);
    const resumed = await second.resume(endpoint, key, session, event.id!);
    const told = await resumed.next((data) => data.includes('"result"'));
    expect(JSON.parse(told.data)).toMatchObject({ result: { content: [{ text: "released" }] } });
  });

  it("a call that waits for an answer is answered at either. [R:workers.parked-anywhere]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const capabilities = { elicitation: { form: {} } };
    const asked = await first.askStateless(endpoint, key, callTool("ask"), {}, capabilities);
    expect(asked).toMatchObject({ result: { resultType: "input_required" } });
    const { inputRequests, requestState } = asked["result"] as {
      inputRequests: Record<string, unknown>;
      requestState: string;
    };
    const inputResponses = Object.fromEntries(
      Object.keys(inputRequests).map((name) => [name, { action: "accept", content: { value: "Ada" } }]),
    );
    const told = await second.askStateless(
      endpoint,
      key,
      callTool("ask", {}, { inputResponses, requestState }),
      {},
      capabilities,
    );
    expect(told).toMatchObject({ result: { resultType: "complete", content: [{ text: "accept Ada" }] } });
  });
});
describe("What one gateway process is told", () => {
  it("by a refusal in the wrong era, the other knows without one of its own. [R:workers.learned]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const ask = (line: Line) =>
      line.askStateless(endpoint, key, callTool("ask_unseen"), {}, { elicitation: { form: {} } });
    expect(JSON.stringify(await ask(first))).toContain("server-initiated requests is unavailable");
    const database = new pg.Client(joinPostgres(program.dataDir));
    await database.connect();
    const stored = () => database.query("select era from era_refusals").then(({ rows }) => rows);
    await expect.poll(stored, { timeout: 10_000 }).toEqual([{ era: "stateless" }]);
    await database.end();
    // Answered once every process has applied what was committed before.
    await program.owner.client.call("createKey", { organization: "default" }, { label: "later" });
    expect(await ask(second)).toMatchObject({ result: { resultType: "input_required" } });
  });

  it("of a newer standing stream of the same session, it ends its own. [R:workers.stands-told]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const session = await first.open(endpoint, key);
    const older = await first.stand(endpoint, key, session);
    const newer = await second.stand(endpoint, key, session);
    await expect(older.broken()).resolves.toBeUndefined();
    const newest = await first.stand(endpoint, key, session);
    await expect(newer.broken()).resolves.toBeUndefined();
    newest.leave();
  });
});

describe("The port of workers", () => {
  it("is shared with no other program, not even one with workers of its own. [R:workers.port-taken]", async () => {
    const port = new URL(program.url).port;
    const { code, said } = await up(["--port", port, "--workers", "2"]);
    expect(said).toContain(`port ${port} on 127.0.0.1 is in use`);
    expect(code).toBe(1);
  });

  it.each(["0", "-1", "two", "1.5", "33"])(
    "`--workers %s` is a usage error. [R:workers.usage]",
    async (n) => {
      const { code, said } = await up(["--port", "0", `--workers=${n}`]);
      expect(said).toContain(`the number of workers must be a whole number from 1 to 32, not "${n}"`);
      expect(code).toBe(2);
    },
  );
});

/** Runs `up` over a folder of its own to its end; for starts that fail. One that does not is stopped. */
async function up(args: string[]): Promise<{ code: number | null; said: string }> {
  const main = join(import.meta.dirname, "../../src/main.ts");
  const dataDir = mkdtempSync(join(tmpdir(), "offing-failing-"));
  const child = spawn(process.execPath, [main, "up", "--no-example", "--data", dataDir, ...args], {
    env: { ...process.env, OFFING_CACHE: testCache },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 40_000,
  });
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  rmSync(dataDir, { recursive: true, force: true });
  return { code, said };
}

import { afterAll, beforeAll, expect, it } from "vitest";
import { type Program, startProgram } from "../program.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { callTool } from "./held-server.ts";
import { type Line, linesToEach } from "./lines.ts";

/** A server that runs elsewhere, behind two gateway processes on one port. */
let program: Program;
let server: SdkServer;
const endpoint = "/default/elsewhere/mcp";
beforeAll(async () => {
  program = await startProgram({ OFFING_WORKERS: "2" });
  server = await SdkServer.start();
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

it("A session that one process opened anew is the same one at the other, which asks for none of its own [R:upstream.published]", async () => {
  const input = { url: server.url, server: "elsewhere", allowPrivate: true };
  await program.owner.client.call("registerServer", { organization: "default" }, input);
  const lines = await linesToEach(program);
  const [first, second] = lines as [Line, Line];
  const echo = { ...callTool("echo"), params: { name: "echo", arguments: { text: "x" } } };
  const session = await first.open(endpoint, program.owner.key);
  for (const line of lines) {
    expect(await line.ask(endpoint, program.owner.key, echo, session)).toMatchObject({
      result: { content: [{ text: "x" }] },
    });
  }
  const asked = server.of("initialize").length;
  server.forget();
  for (const line of [first, second]) {
    expect(await line.ask(endpoint, program.owner.key, echo, session)).toMatchObject({
      result: { content: [{ text: "x" }] },
    });
  }
  expect(server.of("initialize").length).toBe(asked + 1);
  expect(server.of("tools/call").at(-1)!.headers["mcp-session-id"]).toBe(server.open[0]);
  for (const line of lines) line.close();
});

import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import type { LocalRunnerOptions } from "../../src/runner/local.ts";
import { environment } from "../fixtures/environments.ts";
import { stdioProgram } from "../fixtures/stdio.ts";
import { world } from "./harness.ts";

/** An instance of the program of the fixture, with what tells how many of its processes there are. */
export async function served(options: Partial<LocalRunnerOptions> = {}) {
  const made = await world(options);
  const mark = randomUUID();
  const target = await made.deploy({
    files: { "main.py": stdioProgram },
    environment: await environment([]),
    variables: { MARK: mark },
  });
  const { address, description } = await made.runner.acquire(target);
  return { ...made, target, address, description, children: () => children(mark) };
}

/** How many processes run the program of the instances that have this variable. */
function children(mark: string): number {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const part = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
      return part("cmdline").includes("program.py\0") && part("environ").includes(`MARK=${mark}\0`);
    } catch {
      return false;
    }
  }).length;
}

/** Posts a call that can be cut off. */
export function start(
  address: string,
  tool: string,
  args: object,
  headers: Record<string, string>,
  id: number | string = 77,
): ClientRequest {
  const outgoing = request({
    socketPath: address.slice("unix:".length),
    path: "/mcp",
    method: "POST",
    agent: false,
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
      ...headers,
    },
  });
  outgoing.on("error", () => {});
  const params = { name: tool, arguments: args };
  outgoing.end(JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }));
  return outgoing;
}

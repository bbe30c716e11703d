import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll } from "vitest";
import { TestGateway } from "./harness.ts";
import { ScriptedUpstream, statelessCall, wellBehaved } from "./scripted.ts";

export let world: TestGateway;
export let upstream: ScriptedUpstream;
export let url: string;
export let user: string;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start(wellBehaved);
  world = await TestGateway.start({ bodyTimeoutMs: 100, bodyBytes: 100_000 });
  url = world.publish("s", { address: upstream.address });
  world.publish("other", { address: upstream.address });
  world.publish("s", { address: upstream.address, organization: "rival" });
  user = world.key({ roles: { s: "user", other: "user" } }).key;
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

export interface Sent {
  path?: string;
  method?: string;
  key?: string | undefined;
  headers?: Record<string, string>;
  body?: string;
}

/** Sends one request; answers status, headers without the date, body, and the record it left. */
export async function send(given: Sent) {
  const before = world.records.length;
  const req = request(`${world.url}${given.path ?? "/acme/s/mcp"}`, {
    method: given.method ?? "POST",
    agent: false,
    headers: {
      "content-type": "application/json",
      ...(given.key === undefined ? {} : { authorization: `Bearer ${given.key}` }),
      ...given.headers,
    },
  });
  req.end(given.body ?? "");
  const [response] = await once(req, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  const { date: _, ...headers } = response.headers;
  const record = await world.record((r) => world.records.indexOf(r) >= before);
  return { status: response.statusCode as number, headers, text, record };
}

export const call = () => statelessCall("tools/call", { name: "t", arguments: {} });
export const withoutId = (text: string) => text.replace(/req_[0-9a-z]+/, "req");

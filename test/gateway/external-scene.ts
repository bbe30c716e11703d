import { Agent } from "undici";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { TestGateway } from "./harness.ts";
import { keep } from "./scene.ts";

/** A gateway, a real server of the official SDK elsewhere behind it, and a user of it. */
export async function elsewhere(options: { sessions?: boolean; limits?: Partial<GatewayLimits> } = {}) {
  const server = keep(await SdkServer.start(options));
  const world = keep(await TestGateway.start(options.limits));
  const manifest = await read(server.url);
  server.seen.length = 0;
  const url = world.publish("s", { address: server.url, external: true, manifest });
  const { key, principal } = world.key({ roles: { s: "user" } });
  return { server, world, url, key, principal, manifest };
}

/** What a server at a URL says of itself. */
export async function read(url: string) {
  const agent = new Agent();
  try {
    return await discover(createPools({ guarded: () => agent }).external("org_acme", url));
  } finally {
    await agent.destroy();
  }
}

export const send = (url: string, key: string, given: { headers: Record<string, string>; body: string }) =>
  fetch(url, {
    method: "POST",
    headers: { ...given.headers, authorization: `Bearer ${key}` },
    body: given.body,
  });

/** The last JSON-RPC message in an answer, whichever form it has. */
export async function message(response: Response) {
  const text = (await response.text()).trimEnd();
  return JSON.parse(text.startsWith("{") ? text : text.slice(text.lastIndexOf("data: ") + 6)) as {
    id?: unknown;
    result?: { content: { text: string }[] };
    error?: { code: number; message: string; data?: { boundary: string } };
  };
}

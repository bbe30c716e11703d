import { readdirSync } from "node:fs";
import { queryObjects } from "node:v8";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Exchange } from "../../src/gateway/exchange/exchange.ts";
import { deployed } from "../deploy.ts";
import { RawStream } from "../gateway/raw-stream.ts";
import { reads } from "../gateway/reading.ts";
import { handshakeCall, post, responseOf, text } from "../gateway/scene.ts";
import { openSession, statelessCall } from "../gateway/scripted.ts";
import { descendantsOf } from "../program.ts";
import { openWorld, type World } from "../world.ts";

/** Its one tool streams until its call is given up, the other counts what lives in the server. */
const main = `import asyncio
import gc

from fastmcp import Context, FastMCP

mcp = FastMCP("Endless")


@mcp.tool
async def stream(ctx: Context) -> None:
    await ctx.report_progress(1)
    await asyncio.Event().wait()


@mcp.tool
async def living() -> list[int]:
    gc.collect()
    return [len(asyncio.all_tasks()), len(gc.get_objects())]
`;

/** How many more there may be of anything after 500 rounds: a leak of one in a hundred rounds is more. */
const SLACK = 4;
const ROUNDS = 500;
/** Rounds at a time. */
const AT_ONCE = 10;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test.each([
  { server: "older", framework: "FastMCP 3", requirement: "fastmcp>=3,<4" },
  { server: "newer", framework: "FastMCP 4", requirement: "fastmcp>=4,<5" },
])(
  "Hundreds of clients of either era that connect, stream and abort leave nothing behind, in a $framework server or anywhere. [R:matrix.leaves-nothing]",
  async ({ server, requirement }) => {
    const files = { "requirements.txt": requirement, "main.py": main };
    const { build } = await deployed(world.owner, server, files);
    expect(build.error).toBeNull();
    const url = `${world.url}/default/${server}/mcp`;

    await rounds(url, 100);
    const [before, kept] = [await rest(url), memory()];
    await rounds(url, ROUNDS);
    const more = async () => grown(before, await census(url));
    await expect.poll(more, { timeout: 45_000, interval: 500 }).toEqual([]);
    expect(grown(kept, memory())).toEqual([]);
  },
  180_000,
);

async function rounds(url: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, () => Promise.all([stateless(url), handshake(url, i)])),
    );
  }
}

/** The client's leaving is all that the server is told. */
async function stateless(url: string): Promise<void> {
  const params = { name: "stream", arguments: {} };
  await abort(url, statelessCall("tools/call", params, { progressToken: "p" }));
}

/** A session of its own, ended as clients do: with or without a word on the call that it aborts. */
async function handshake(url: string, round: number): Promise<void> {
  const { key } = world.owner;
  const session = await openSession(url, key);
  const call = handshakeCall(session, "stream");
  const send = async (method: string, message?: object) => {
    const body = message === undefined ? "" : JSON.stringify({ jsonrpc: "2.0", ...message });
    const response = await responseOf(
      post(url, key, { headers: { ...call.headers, ...reads }, body }, method),
    );
    await text(response);
    return response.statusCode;
  };
  expect(await send("POST", { method: "notifications/initialized" })).toBe(202);
  const { params, ...rest } = JSON.parse(call.body);
  const body = JSON.stringify({ ...rest, params: { ...params, _meta: { progressToken: "p" } } });
  await abort(url, { headers: call.headers, body });
  if (round % 20 === 0) {
    const message = { method: "notifications/cancelled", params: { requestId: rest.id } };
    expect(await send("POST", message)).toBe(202);
  }
  expect(await send("DELETE")).toBe(204);
}

/** Makes a call and leaves when it has told of its progress. */
async function abort(url: string, call: { headers: Record<string, string>; body: string }): Promise<void> {
  const headers = { ...call.headers, ...reads };
  await using stream = await RawStream.open(url, world.owner.key, { headers, body: call.body });
  const tells = ({ method }: { method?: string }) => method === "notifications/progress";
  await stream.until(({ messages, ended }) => ended || messages.some(tells));
  expect(stream.ended).toBe(false);
}

type Census = ReadonlyMap<string, number>;

/** What there is, by name: handles of this process, what every process below it has open, and what lives in the server. */
async function census(url: string): Promise<Census> {
  const response = await responseOf(
    post(url, world.owner.key, statelessCall("tools/call", { name: "living", arguments: {} })),
  );
  const answer = JSON.parse((await text(response)).replace(/^[^{]*/, "")) as {
    result: { structuredContent: { result: [number, number] } };
  };
  const [tasks, objects] = answer.result.structuredContent.result;
  const found = new Map<string, number>([
    ["server tasks", tasks],
    ["thousands of objects of the server", Math.round(objects / 1000)],
  ]);
  for (const name of process.getActiveResourcesInfo()) {
    found.set(`active ${name}`, (found.get(`active ${name}`) ?? 0) + 1);
  }
  const processes = descendantsOf(process.pid);
  found.set("processes", processes.length);
  for (const pid of processes) {
    for (const kind of ["fd", "task"])
      found.set(`${kind} of ${pid}`, readdirSync(`/proc/${pid}/${kind}`).length);
  }
  return found;
}

/** What only a look at the whole heap tells; it takes its time, and collects garbage before. */
function memory(): Census {
  const exchanges = queryObjects(Exchange, { format: "count" });
  const used = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
  return new Map([
    ["exchanges in memory", exchanges],
    ["MiB of heap", used],
  ]);
}

/** The least that there is of each, once it has stopped getting less: connections stay open for a while. */
async function rest(url: string): Promise<Census> {
  const least = new Map(await census(url));
  let unchanged = 0;
  await vi.waitUntil(
    async () => {
      unchanged++;
      for (const [name, count] of await census(url)) {
        if (count >= (least.get(name) ?? Infinity)) continue;
        least.set(name, count);
        unchanged = 0;
      }
      return unchanged >= 6;
    },
    { timeout: 45_000, interval: 500 },
  );
  return least;
}

function grown(before: Census, after: Census): string[] {
  return [...after]
    .filter(([name, count]) => count > (before.get(name) ?? 0) + SLACK)
    .map(([name, count]) => `${name}: ${before.get(name) ?? 0}, then ${count}`);
}

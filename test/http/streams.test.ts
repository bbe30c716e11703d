import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../src/contract/client.ts";
import { createRequestWriter } from "../../src/domain/records/write-requests.ts";
import { write } from "../../src/domain/write.ts";
import { createLineWriter } from "../../src/domain/records/write-lines.ts";
import { newId } from "../../src/lib/ids.ts";
import { finished, startDeploy } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";
import { openTab } from "./browser.ts";

let world: World;
let server: string;
let at: { organization: string; server: string };
let lines: ReturnType<typeof createLineWriter>;
let records: ReturnType<typeof createRequestWriter>;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  const slug = `s-${newId("srv").slice(-8)}`;
  server = newId("srv");
  at = { organization: "default", server: slug };
  const { organization, id: owner } = world.owner;
  await write(world.system.context({ kind: "system", job: "test" }), organization, async ({ tx }) => {
    await tx
      .insertInto("servers")
      .values({ organization, id: server, slug, kind: "hosted", owner })
      .execute();
  });
  lines = createLineWriter(world.system.services);
  records = createRequestWriter(world.system.services);
});

const print = (text: string, time = Date.now()) =>
  lines.push({
    at: time,
    target: {
      organization: world.owner.organization,
      server,
      artifact: "a",
      scope: "production",
      variables: null,
    },
    instance: "ins_1",
    stream: "stdout",
    text,
    request: null,
  });

const record = (name: string, begun: number) => {
  const { organization } = world.owner;
  const zero = { request_bytes: 0, response_bytes: 0, stream_events: 0 };
  const times = { t_auth: 0, t_policy: 0, t_cold: 0, t_upstream: 0, t_total: 0 };
  const row = { id: newId("req", begun), at: begun, organization, server, capability_name: name };
  const rest = { transport: "http", http_method: "POST", auth_kind: "api_key", http_status: 200 };
  records.push({
    ...row,
    ...rest,
    ...zero,
    ...times,
    capability_kind: "tool",
    is_error: false,
    outcome: "complete",
  } as typeof row);
};

async function take<T>(stream: AsyncGenerator<StreamEvent<T>>, count: number): Promise<StreamEvent<T>[]> {
  const seen: StreamEvent<T>[] = [];
  while (seen.length < count) {
    const next = await stream.next();
    if (next.done) break;
    seen.push(next.value);
  }
  return seen;
}

describe("server log lines", () => {
  it("stay in the order in which they were printed, also within one millisecond, over pages and streams", async () => {
    const now = Date.now();
    const texts = Array.from({ length: 120 }, (_, index) => `line ${index}`);
    for (const text of texts) print(text, now);
    await lines.flush();
    const listed: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: { text: string }[]; nextCursor: string | null } = await world.owner.client.call(
        "listServerLines",
        at,
        { limit: 50, ...(cursor === null ? {} : { cursor }) },
      );
      listed.push(...page.items.map((line) => line.text));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(listed.toReversed()).toEqual(texts);
    const since = new Date(now - 1).toISOString();
    const stream = world.owner.client.stream("followServerLines", at, { since });
    expect((await take(stream, 120)).map(({ data }) => data.text)).toEqual(texts);
    await stream.return(undefined);
  });

  it("that PostgreSQL would not store are stored in a form that it does, and hold nothing else up", async () => {
    const tail = "😀".repeat(5000);
    print("nul \0, half \ud800");
    print(`x${tail}`);
    print("after");
    await lines.flush();
    const { items } = await world.owner.client.call("listServerLines", at);
    expect(items.map((line) => line.text).toReversed()).toEqual([
      "nul \\0, half \ufffd",
      expect.stringContaining("more characters"),
      "after",
    ]);
  });
});

describe("following", () => {
  it("goes on after the event that the client saw last, and repeats none", async () => {
    const since = new Date(Date.now() - 1).toISOString();
    for (let n = 0; n < 6; n++) print(`${n}`);
    await lines.flush();
    const first = world.owner.client.stream("followServerLines", at, { since });
    const seen = await take(first, 3);
    await first.return(undefined);
    const after = seen.at(-1)!.id;
    const second = world.owner.client.stream("followServerLines", at, { since }, { after });
    expect((await take(second, 3)).map(({ data }) => data.text)).toEqual(["3", "4", "5"]);
    await second.return(undefined);
  });

  it("shows a request that took long once it is recorded, though others began and ended since", async () => {
    const stream = world.owner.client.stream("followRequests", at, {
      since: new Date(Date.now() - 1).toISOString(),
    });
    const seen = take(stream, 2);
    record("quick", Date.now());
    await records.flush();
    record("long", Date.now() - 170_000);
    await records.flush();
    expect((await seen).map(({ data }) => data.capability?.name)).toEqual(["quick", "long"]);
    await stream.return(undefined);
  });

  it("a cursor that is none is refused before the stream begins", async () => {
    const stream = world.owner.client.stream("followRequests", at, {}, { after: "nonsense" });
    await expect(stream.next()).rejects.toMatchObject({ code: "invalid" });
  });

  it("ends with a problem once the reader may not read any more", async () => {
    const member = await world.member("member");
    const grant = { ...at, principal: member.id };
    await world.owner.client.call("setGrant", grant, { role: "editor" });
    const stream = member.client.stream("followServerLines", at);
    const refused = codeOf(stream.next());
    await expect.poll(() => listeners("lines")).toBeGreaterThan(0);
    await world.owner.client.call("removeGrant", grant);
    print("not for them");
    await lines.flush();
    expect(await refused).toBe("not_found");
  });

  it("ends with a problem once the key is revoked", async () => {
    const member = await world.member("admin");
    const { items } = await member.client.call("listKeys", { organization: "default" }, { limit: 200 });
    const own = items.find((key) => key.principal.id === member.id)!;
    const stream = member.client.stream("followServerLines", at);
    const refused = codeOf(stream.next());
    await expect.poll(() => listeners("lines")).toBeGreaterThan(0);
    await world.owner.client.call("revokeKey", { organization: "default", key: own.id });
    print("not for them");
    await lines.flush();
    expect(await refused).toBe("unauthenticated");
  });

  it("ends with a problem once the browser that opened it is signed out", async () => {
    const member = await world.member("admin");
    const tab = openTab(world);
    const { url } = await member.client.call("createSignInLink", { organization: "default" });
    await tab.signIn(url);
    const path = `/api/v1/organizations/default/servers/${at.server}/logs/follow`;
    const streaming = tab.send("GET", path);
    await expect.poll(() => listeners("lines")).toBeGreaterThan(0);
    await tab.send("DELETE", "/api/v1/web-session", { body: {} });
    print("not for them");
    await lines.flush();
    const { text } = await streaming;
    expect(text).toContain("unauthenticated");
    expect(text).not.toContain("not for them");
  });

  it("leaves nothing behind when clients leave, however many", async () => {
    for (let round = 0; round < 5; round++) {
      const stop = new AbortController();
      const streams = Array.from({ length: 20 }, () =>
        world.owner.client.stream("followServerLines", at, {}, { signal: stop.signal }).next(),
      );
      await expect.poll(() => listeners("lines")).toBe(20);
      stop.abort();
      await Promise.allSettled(streams);
      await expect.poll(() => listeners("lines")).toBe(0);
    }
  });
});

describe("a build's log", () => {
  it("goes on after the line that the client saw last, and ends with the build", async () => {
    const started = await startDeploy(world.owner, "broken", { "main.py": "def broken(:\n" });
    const whole = await finished(world.owner, "broken", started.id);
    expect(whole.build.status).toBe("failed");
    const path = { organization: "default", server: "broken", build: started.id };
    const first = world.owner.client.stream("followBuild", path);
    const seen = await take(first, 2);
    await first.return(undefined);
    const rest: string[] = [];
    const after = seen.at(-1)!.id;
    for await (const { data } of world.owner.client.stream("followBuild", path, {}, { after }))
      rest.push(data.type === "line" ? data.text : `build ${data.build.status}`);
    expect(rest).toEqual([...whole.log.slice(2), "build failed"]);
  });
});

/** Who listens to a channel now: streams that stand. */
function listeners(channel: "lines" | "records"): number {
  return world.system.services.notices.listening(channel);
}

/** The code that a failing promise fails with. */
function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it did not fail",
    (error: { code: string }) => error.code,
  );
}

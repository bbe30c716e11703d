import { describe, expect, test } from "vitest";
import { TestGateway } from "./harness.ts";
import { listenRequest, RawStream } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession, ScriptedUpstream, statelessCall, wellBehaved } from "./scripted.ts";

const page = "http://localhost:6274";

async function scene(options: { publicUrl?: string; allowedOrigins?: string[]; bodyBytes?: number } = {}) {
  const { bodyBytes, ...given } = options;
  const upstream = keep(await ScriptedUpstream.start(wellBehaved));
  const world = keep(await TestGateway.start(bodyBytes === undefined ? {} : { bodyBytes }, undefined, given));
  const url = world.publish("s", { address: upstream.address });
  const { key } = world.key({ roles: { s: "user" } });
  return { world, upstream, url, key };
}

function preflight(url: string, headers: Record<string, string>): Promise<Response> {
  return fetch(url, { method: "OPTIONS", headers: { "access-control-request-method": "POST", ...headers } });
}

const list = (response: Response, name: string) =>
  (response.headers.get(name) ?? "").split(",").map((part) => part.trim().toLowerCase());

test("A preflight is answered without a key, and lets every header of the protocol pass. [R:guards.preflight]", async () => {
  const { url, world } = await scene();
  const asked = [
    "authorization",
    "content-type",
    "accept",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-param-region",
    "mcp-param-x-y_z",
    "mcp-session-id",
    "last-event-id",
    "traceparent",
    "tracestate",
    "baggage",
  ];
  const response = await preflight(url, {
    origin: page,
    "access-control-request-headers": asked.join(", "),
  });
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe(page);
  expect(list(response, "access-control-allow-headers")).toEqual(asked);
  expect(list(response, "access-control-allow-methods")).toEqual(["post", "get", "delete", "options"]);
  expect(Number(response.headers.get("access-control-max-age"))).toBeGreaterThan(0);
  expect(list(response, "vary")).toContain("origin");
  expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  expect(await world.record(({ http_method }) => http_method === "OPTIONS")).toMatchObject({
    http_status: 204,
    principal: null,
  });
});

test("A preflight lets no other header pass, and is the same where nothing stands. [R:guards.preflight-bounded]", async () => {
  const { url, world } = await scene();
  const headers = {
    origin: page,
    "access-control-request-headers": "authorization,cookie,horizon-actor,offing-session,mcp-parameter,x-own",
  };
  const there = await preflight(url, headers);
  expect(list(there, "access-control-allow-headers")).toEqual(["authorization"]);
  const absent = await preflight(`${world.url}/nobody/none/mcp`, headers);
  const comparable = ({ headers: all }: Response) => [...all].filter(([name]) => name !== "date");
  expect(absent.status).toBe(there.status);
  expect(comparable(absent)).toEqual(comparable(there));
});

test("A page of another origin is refused whatever it sends, and is let read nothing. [R:guards.foreign-origin]", async () => {
  const { url, key } = await scene();
  for (const origin of ["https://evil.example", "null", "http://localhost.evil.example", "file://"]) {
    const { headers, body } = statelessCall("tools/list");
    const posted = await fetch(url, {
      method: "POST",
      headers: { ...headers, origin, authorization: `Bearer ${key}` },
      body,
    });
    for (const response of [posted, await preflight(url, { origin })]) {
      expect(response.status).toBe(403);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
  }
});

describe("an origin that was let in", () => {
  test("may be a client, and others stay out. [R:guards.allowed-origins]", async () => {
    const { url } = await scene({
      publicUrl: "https://mcp.example.com",
      allowedOrigins: ["https://app.example.com", "vscode-webview://abc"],
    });
    const status = async (origin: string) => (await preflight(url, { origin })).status;
    expect(await status("https://app.example.com")).toBe(204);
    expect(await status("vscode-webview://abc")).toBe(204);
    expect(await status("https://mcp.example.com")).toBe(204);
    expect(await status("https://app.example.com:8443")).toBe(403);
    // Pages on the reader's own machine are ours only where we are on it.
    expect(await status(page)).toBe(403);
  });

  test("may be any", async () => {
    const { url } = await scene({ allowedOrigins: ["*"] });
    const response = await preflight(url, { origin: "https://anybody.example" });
    expect(response.status).toBe(204);
    // Named, since `*` would let caches mix answers up.
    expect(response.headers.get("access-control-allow-origin")).toBe("https://anybody.example");
  });
});

test("A page may read every refusal, with what it needs of the headers. [R:guards.readable-errors]", async () => {
  const { url, key, world } = await scene({ bodyBytes: 1000 });
  const { headers, body } = statelessCall("tools/list");
  const post = (path: string, bearer: string | undefined, text: string) =>
    fetch(path, {
      method: "POST",
      headers: {
        ...headers,
        origin: page,
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: text,
    });
  const viewer = world.key({ roles: { s: "viewer" } }).key;
  const call = statelessCall("tools/call", { name: "t", arguments: {} });
  const forbidden = fetch(url, {
    method: "POST",
    headers: { ...call.headers, origin: page, authorization: `Bearer ${viewer}` },
    body: call.body,
  });
  const answers = [
    { status: 401, response: await post(url, undefined, body) },
    { status: 403, response: await forbidden },
    { status: 404, response: await post(`${world.url}/acme/none/mcp`, key, body) },
    { status: 413, response: await post(url, key, "x".repeat(2000)) },
    { status: 200, response: await post(url, key, body) },
  ];
  for (const { status, response } of answers) {
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe(page);
    expect(list(response, "access-control-expose-headers")).toEqual(
      expect.arrayContaining(["mcp-session-id", "www-authenticate", "retry-after", "mcp-protocol-version"]),
    );
    expect(list(response, "vary")).toContain("origin");
  }
});

test("A program, which sends no Origin, is told nothing of pages.", async () => {
  const { url, key } = await scene();
  const { headers, body } = statelessCall("tools/list");
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${key}` },
    body,
  });
  expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("An event stream of a page may be read too. [R:guards.readable-streams]", async () => {
  const { url, key } = await scene();
  const { headers, body } = listenRequest({ toolsListChanged: true });
  const stream = keep(await RawStream.open(url, key, { headers: { ...headers, origin: page }, body }));
  expect(stream.headers["access-control-allow-origin"]).toBe(page);
  expect(stream.headers["x-accel-buffering"]).toBe("no");
  const session = await openSession(url, key);
  const stands = keep(
    await RawStream.open(url, key, { method: "GET", headers: { origin: page, "mcp-session-id": session } }),
  );
  expect(stands.headers["access-control-allow-origin"]).toBe(page);
  expect(stands.headers["x-accel-buffering"]).toBe("no");
});

import { expect, test } from "vitest";
import { event, post, responseOf, scene, text } from "./scene.ts";
import { json, statelessCall } from "./scripted.ts";

const lists = [
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resourceTemplates"],
] as const;

test.each(lists)(
  "What %s answers is the caller's own, however the server would have it shared. [R:stateless-client.lists-private]",
  async (method, field) => {
    const { url, key } = await scene(({ res, message }) =>
      json(res, {
        jsonrpc: "2.0",
        id: message.id,
        result: { resultType: "complete", [field]: [{ name: "x" }], ttlMs: 5000, cacheScope: "public" },
      }),
    );
    const answer = JSON.parse(await text(await responseOf(post(url, key, statelessCall(method)))));
    expect(answer.result).toEqual({
      resultType: "complete",
      [field]: [{ name: "x" }],
      ttlMs: 5000,
      cacheScope: "private",
    });
  },
);

test("A server that gives no caching hints is not cached, and announces the versions that are spoken here. [R:stateless-client.discover]", async () => {
  const { url, key } = await scene(({ res, message }) =>
    json(res, {
      jsonrpc: "2.0",
      id: message.id,
      result: {
        resultType: "complete",
        supportedVersions: ["2026-07-28", "2031-01-01"],
        capabilities: { tools: {} },
        instructions: "Be kind.",
      },
    }),
  );
  const answer = JSON.parse(await text(await responseOf(post(url, key, statelessCall("server/discover")))));
  expect(answer.result).toMatchObject({
    supportedVersions: ["2026-07-28"],
    instructions: "Be kind.",
    ttlMs: 0,
    cacheScope: "private",
  });
});

test("Progress and log messages stay on the stream of their own request. [R:stateless-client.own-stream]", async () => {
  const { url, key } = await scene(({ res, message }) => {
    const { name } = message.params as { name: string };
    res.writeHead(200, { "content-type": "text/event-stream" });
    for (const method of ["notifications/progress", "notifications/message"]) {
      res.write(
        event({ jsonrpc: "2.0", method, params: { progressToken: name, level: "info", data: name } }),
      );
    }
    res.end(event({ jsonrpc: "2.0", id: message.id, result: { resultType: "complete", content: [] } }));
  });
  const answers = await Promise.all(
    ["one", "two"].map(async (name) =>
      text(await responseOf(post(url, key, statelessCall("tools/call", { name })))),
    ),
  );
  expect(answers[0]!.match(/one/g)).toHaveLength(4);
  expect(answers[0]).not.toContain("two");
  expect(answers[1]!.match(/two/g)).toHaveLength(4);
  expect(answers[1]).not.toContain("one");
  for (const answer of answers) expect(answer).not.toMatch(/^id:/m);
});

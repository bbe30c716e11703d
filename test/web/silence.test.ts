import { afterEach, expect, it, vi } from "vitest";
import { createClient } from "../../src/contract/client.ts";

afterEach(() => void vi.useRealTimers());

it("a stream that has fallen silent ends, so that whoever follows it takes it up again", async () => {
  vi.useFakeTimers();
  const speech = new TransformStream<Uint8Array, Uint8Array>();
  const client = createClient({
    url: "http://offing.test",
    fetch: async () => new Response(speech.readable, { headers: { "content-type": "text/event-stream" } }),
  });
  const events = client.stream("followServerLines", { organization: "acme", server: "weather" });
  const next = events.next();
  const writer = speech.writable.getWriter();
  const keepAlive = () => writer.write(new TextEncoder().encode(":\n\n"));
  // What the program writes while nothing happens keeps the stream: minutes pass.
  for (let seconds = 0; seconds < 300; seconds += 15) {
    await keepAlive();
    await vi.advanceTimersByTimeAsync(15_000);
  }
  expect(await Promise.race([next, Promise.resolve("still open")])).toBe("still open");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await next).toEqual({ done: true, value: undefined });
});

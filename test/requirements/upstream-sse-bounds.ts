import type { Requirement } from "./requirement.ts";

const transport = "2024-11-05 basic/transports#http-with-sse";
const adapter = "src/upstream/http-sse/dispatcher.ts";
const line = "src/upstream/http-sse/line.ts";
const posts = "src/upstream/http-sse/posts.ts";
const reply = "src/upstream/http-sse/reply.ts";
const unit = "test/upstream/http-sse-bounds.test.ts";

/** What a server that speaks HTTP+SSE can make the gateway hold. */
export const upstreamSseBounds: readonly Requirement[] = [
  {
    id: "upstream.sse-ours",
    behaviour: "A server that takes no answers of the gateway gets a bounded number of them at once.",
    section: transport,
    break: {
      file: posts,
      from: "    if (this.#ours.size >= OURS_MOST) return;",
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-late",
    behaviour: "A message whose call was answered, and that the server does not take, is broken off.",
    section: transport,
    break: {
      file: posts,
      from: "    for (const oldest of this.#late) if (this.#late.size > LATE_MOST) oldest.abort();",
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-posts",
    behaviour: "A server that takes messages slowly gets a bounded number of them at once.",
    section: transport,
    break: {
      file: line,
      from: "    if (this.#posts.full(true)) return busy(reply, id);",
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-room",
    behaviour: "What waits for slow readers of one stream is bounded over all of them.",
    section: transport,
    break: {
      file: reply,
      from: "    if (this.room.bytes + bytes > ROOM_BYTES) {",
      to: "    if (this.#bytes + bytes > ROOM_BYTES) {",
      test: unit,
    },
  },
  {
    id: "upstream.sse-small",
    behaviour: "Small messages that wait for a reader count for what they take.",
    section: transport,
    break: {
      file: reply,
      from: "const KEPT_BYTES = 256;",
      to: "const KEPT_BYTES = 0;",
      test: unit,
    },
  },
  {
    id: "upstream.sse-over",
    behaviour: "A stream that ends once it has begun opens no session, and who waits for it is told.",
    section: transport,
    break: {
      file: line,
      from: "    if (this.#end !== undefined) return reply.fail(this.#end);",
      to: "",
      test: unit,
    },
  },
  {
    id: "upstream.sse-untaken",
    behaviour: "A call that was cancelled before the server took it fails, and its message is broken off.",
    section: transport,
    break: {
      file: reply,
      from: "    if (!this.begun)",
      to: "    if (this.over && !this.begun)",
      test: unit,
    },
  },
  {
    id: "upstream.sse-unused",
    behaviour:
      "What spoke to a server is given up once no stream to it was open for as long as one may be idle.",
    section: transport,
    break: {
      file: adapter,
      from: "    this.#onUnused?.();",
      to: "",
      test: unit,
    },
  },
];

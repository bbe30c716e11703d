import { type IncomingMessage } from "node:http";
import { expect } from "vitest";
import { everything, form, type Message, type upstreamOf } from "./asking.ts";
import { post, responseOf, text } from "./scene.ts";

export type Place = Awaited<ReturnType<typeof upstreamOf>>;

export type Asked = Message & { id?: number; meta?: Message; capabilities?: Message };

let ids = 100;

/** A `tools/call` of a stateless client, or another request; its answer as it came. */
export async function send(url: string, key: string, asked: Asked = {}, method = "tools/call") {
  const { meta = {}, capabilities = everything, id = ++ids, ...params } = asked;
  const named = {
    ...(method === "resources/read" ? { uri: "note://x" } : { name: "t" }),
    ...params,
  } as Message;
  const req = post(url, key, {
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      "mcp-name": named["name"] ?? named["uri"],
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method,
      params: {
        ...named,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": capabilities,
          ...meta,
        },
      },
    }),
  });
  return { req, id, answer: responseOf(req).then(async (response) => read(response, await text(response))) };
}

function read(response: { statusCode?: number | undefined; headers: Message }, body: string) {
  const events = String(response.headers["content-type"]).startsWith("text/event-stream");
  const messages = events
    ? body
        .split("\n\n")
        .filter((each) => each.includes("data: "))
        .map((each) => JSON.parse(each.split("data: ")[1]!))
    : [JSON.parse(body)];
  const last = messages.at(-1) as Message;
  return {
    status: response.statusCode,
    last,
    messages: messages as Message[],
    result: last["result"],
    error: last["error"],
  };
}

/** A call that waits: what its client was asked, and the upstream's side of it. */
export async function parked(place: Place, asked: Asked = {}) {
  const sent = await send(place.url, place.key, asked);
  const call = await place.arrives();
  call.ask(1, "elicitation/create", form);
  const { result } = await sent.answer;
  expect(result.resultType).toBe("input_required");
  const [question] = Object.keys(result.inputRequests);
  return { call, state: result.requestState as string, question: question!, result, id: sent.id };
}

export const content = [{ type: "text", text: "done" }];
export const reply = (id: unknown) => (message: Message) =>
  message["id"] === id && message["method"] === undefined;

export const declared = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: { listChanged: true },
};

/** A session of a handshake client, raw: it posts messages, and reads answers as they come. */
export class Session {
  readonly url: string;
  readonly key: string;
  readonly id: string;
  readonly revision: string;
  readonly result: Message;

  constructor(url: string, key: string, id: string, revision: string, result: Message) {
    this.url = url;
    this.key = key;
    this.id = id;
    this.revision = revision;
    this.result = result;
  }

  static async open(
    { url, key }: Pick<Place, "url" | "key">,
    capabilities: Message = declared,
    revision = "2025-11-25",
  ): Promise<Session> {
    const params = { protocolVersion: revision, capabilities, clientInfo: { name: "raw", version: "1" } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const response = await responseOf(
      post(url, key, { headers: { "content-type": "application/json" }, body }),
    );
    const { result } = JSON.parse(await text(response));
    return new Session(url, key, String(response.headers["mcp-session-id"]), revision, result);
  }

  post(message: Message, body = JSON.stringify({ jsonrpc: "2.0", ...message })) {
    return post(this.url, this.key, {
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-session-id": this.id,
        "mcp-protocol-version": this.revision,
      },
      body,
    });
  }

  /** The same session at another URL. */
  at(url: string): Session {
    return new Session(url, this.key, this.id, this.revision, this.result);
  }

  async call(params: Message = {}, id: string | number = 7, method = "tools/call") {
    const named = method === "tools/call" ? { name: "t", arguments: {} } : {};
    const req = this.post({ id, method, params: { ...named, ...params } });
    const response = responseOf(req);
    return { req, response, stream: new Stream(response) };
  }

  /** What posting a response or a notification is answered with. */
  async note(message: Message): Promise<{ status: number | undefined; body: string }> {
    const response = await responseOf(this.post(message));
    return { status: response.statusCode, body: await text(response) };
  }
}

/** The messages of an answer, one by one, whether JSON or events. */
class Stream {
  readonly #messages: AsyncIterator<Message>;
  constructor(response: Promise<IncomingMessage>) {
    this.#messages = messagesOf(response);
  }

  async next(): Promise<Message> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error("The answer is over.");
    return value;
  }
}

async function* messagesOf(response: Promise<IncomingMessage>): AsyncGenerator<Message> {
  const came = await response;
  if (!String(came.headers["content-type"]).startsWith("text/event-stream")) {
    yield JSON.parse(await text(came));
    return;
  }
  let rest = "";
  for await (const chunk of came) {
    rest += chunk;
    const events = rest.split("\n\n");
    rest = events.pop()!;
    for (const event of events) {
      const data = /^data: (.+)$/m.exec(event)?.[1];
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

export const complete = { resultType: "complete", content };
export const asksFor = (inputRequests: Message, requestState?: string): Message => ({
  resultType: "input_required",
  inputRequests,
  ...(requestState === undefined ? {} : { requestState }),
});
export const elicits = { method: "elicitation/create", params: form };

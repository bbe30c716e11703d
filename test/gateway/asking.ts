import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import type { Era } from "../../src/mcp/eras.ts";
import type { Capability, Manifest } from "../../src/mcp/manifest.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { event, keep } from "./scene.ts";
import { json, type Received, ScriptedUpstream } from "./scripted.ts";

/** A JSON-RPC message as a test looks into it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Message = Record<string, any>;

/** One call that arrived at an upstream; everything else that was posted to its session is told to it. */
export class Arrived {
  readonly received: Received;
  /** What was posted besides the call, oldest first. */
  readonly told: Message[] = [];
  deleted = false;
  readonly #back: Received[] = [];
  #wake = Promise.withResolvers<void>();
  readonly #closed: Promise<unknown>;

  constructor(received: Received) {
    this.received = received;
    this.#closed = once(received.res, "close");
  }

  get message(): Message {
    return this.received.message;
  }

  get headers(): Record<string, string | string[] | undefined> {
    return this.received.req.headers;
  }

  get res(): ServerResponse {
    return this.received.res;
  }

  /** Sends messages on the stream of the call. */
  say(...messages: Message[]): void {
    if (!this.res.headersSent) this.res.writeHead(200, { "content-type": "text/event-stream" });
    for (const message of messages) this.res.write(event({ jsonrpc: "2.0", ...message }));
  }

  ask(id: string | number, method: string, params: Message): void {
    this.say({ id, method, params });
  }

  /** Ends the call. */
  answer(result: Message): void {
    const message = { jsonrpc: "2.0", id: this.message["id"], result };
    if (this.res.headersSent) this.res.end(event(message));
    else json(this.res, message);
  }

  fail(error: Message): void {
    const message = { jsonrpc: "2.0", id: this.message["id"], error };
    if (this.res.headersSent) this.res.end(event(message));
    else json(this.res, message);
  }

  comes(back: Received): void {
    this.#back.push(back);
    this.#turn();
  }

  /** The GET with which its stream is asked to go on. */
  async comesBack(): Promise<Received> {
    while (this.#back.length === 0) await this.#wake.promise;
    return this.#back.shift()!;
  }

  tell(message: Message): void {
    this.told.push(message);
    this.#turn();
  }

  end(): void {
    this.deleted = true;
    this.#turn();
  }

  /** Resolves with the first told message for which `accepts` holds, told or yet to come. */
  async hears(accepts: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.told.find(accepts);
      if (found !== undefined) return found;
      await this.#wake.promise;
    }
  }

  async ended(): Promise<void> {
    while (!this.deleted) await this.#wake.promise;
  }

  /** Resolves when the gateway has let go of the call's answer. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  #turn(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}

/** A scripted upstream behind a gateway that speaks to it in the given eras only. */
export async function upstreamOf(
  era: Era,
  options: {
    limits?: Partial<GatewayLimits>;
    windowMs?: number;
    manifest?: Partial<Manifest>;
    items?: readonly Capability[];
  } = {},
) {
  const arrived: Arrived[] = [];
  const taken: (() => void)[] = [];
  let next = 0;
  const upstream = keep(
    await ScriptedUpstream.start((received) => {
      const { req, res, message } = received;
      const session = req.headers["mcp-session-id"];
      const call = arrived.findLast((each) => each.headers["mcp-session-id"] === session);
      if (req.method === "GET") call?.comes(received);
      else if (req.method === "DELETE") {
        call?.end();
        res.writeHead(204).end();
      } else if (
        message.method !== undefined &&
        message.id !== undefined &&
        message.method !== "logging/setLevel"
      ) {
        arrived.push(new Arrived(received));
        taken.splice(0).forEach((wake) => wake());
      } else {
        call?.tell(message);
        res.writeHead(202).end();
      }
    }),
  );
  const world = keep(await TestGateway.start(options.limits));
  const manifest: Manifest = {
    ...emptyManifest,
    capabilities: { tools: {}, prompts: {}, resources: {}, logging: {} },
    eras: [era],
    items: options.items ?? [],
    ...options.manifest,
  };
  const url = world.publish("s", {
    address: upstream.address,
    manifest,
    ...(options.windowMs === undefined ? {} : { windowMs: options.windowMs }),
  });
  const { key, principal } = world.key({ roles: { s: "user" } });
  return {
    world,
    upstream,
    url,
    key,
    principal,
    arrived,
    /** The next call that arrives. */
    async arrives(): Promise<Arrived> {
      while (arrived.length <= next) await new Promise<void>((wake) => taken.push(wake));
      return arrived[next++]!;
    },
  };
}

export const form = {
  mode: "form",
  message: "Who are you?",
  requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
};
export const accepted = { action: "accept", content: { name: "Ada" } };
export const everything = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };

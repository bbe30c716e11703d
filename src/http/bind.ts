import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { type Context as Call, Hono } from "hono";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { z } from "zod";
import { OffingError } from "../contract/errors.ts";
import type {
  Input,
  JsonRoute,
  OpenRoute,
  Output,
  Params,
  Route,
  StreamRoute,
  UploadRoute,
} from "../contract/route.ts";
import { type RouteName, type Routes, routes } from "../contract/routes.ts";
import { type Log, messageOf } from "../lib/log.ts";
import type { Browser } from "./browser.ts";
import { writeEvents } from "./events.ts";
import { problemResponse } from "./problem.ts";

export type Bindings = { incoming: IncomingMessage; outgoing: ServerResponse };

type Handler<C, R> =
  R extends JsonRoute<string, z.ZodType, z.ZodType>
    ? (ctx: C, input: Params<R> & Input<R>) => Promise<Output<R>>
    : R extends StreamRoute<string, z.ZodType, z.ZodType>
      ? (
          ctx: C,
          input: Params<R> & Input<R> & { after?: string | undefined; signal: AbortSignal },
        ) => Promise<AsyncGenerator<{ id: string; data: Output<R> }>>
      : R extends OpenRoute<string, z.ZodType, z.ZodType>
        ? (browser: Browser, input: Params<R> & Input<R>) => Promise<Output<R>>
        : R extends UploadRoute<string, z.ZodType, z.ZodType>
          ? (ctx: C, input: Params<R> & Input<R> & { maxBytes: number }, body: Readable) => Promise<Output<R>>
          : never;

/** One handler for every route of the contract; a missing one does not compile. */
export type Handlers<C> = { [Name in RouteName]: Handler<C, Routes[Name]> };

export interface BindOptions<C> {
  readonly log: Log;
  /** Proves who calls; throws `unauthenticated`. */
  authenticate(bindings: Bindings): Promise<C>;
  /** The browser that calls a route without a key; throws `forbidden` where another site made it. */
  browser(bindings: Bindings): Browser;
  /** Runs a verb once per idempotency key. */
  once<T>(
    ctx: C,
    key: string | undefined,
    request: { route: string; organization: string; input: unknown },
    verb: (ctx: C) => Promise<T>,
  ): Promise<T>;
}

type LooseHandler<C> = (ctx: C | Browser, input: object, body?: Readable) => unknown;
type ApiCall = Call<{ Bindings: Bindings }>;

const MAX_JSON = 1024 * 1024;

/** The contract as a Hono app: parse, call the verb, map errors; nothing else. */
export function bind<C>(handlers: Handlers<C>, options: BindOptions<C>): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>();
  for (const name of Object.keys(routes) as RouteName[]) {
    const route: Route = routes[name];
    const handler = handlers[name] as LooseHandler<C>;
    app.on(route.method, route.path, async (call) => {
      if (call.req.method !== route.method) throw noSuchRoute(call);
      if (route.kind === "open") {
        const browser = options.browser(call.env);
        const sent = await readJson(call);
        refuseUnstorable(sent);
        call.header("cache-control", "no-store");
        return call.json((await handler(browser, parse(route.input, sent))) as object);
      }
      const ctx = await options.authenticate(call.env);
      const given =
        route.kind === "upload" ? {} : route.method === "GET" ? call.req.query() : await readJson(call);
      refuseUnstorable({ given, params: call.req.param() });
      const input = { ...parse(route.input, given), ...call.req.param() };
      switch (route.kind) {
        case "json":
          call.header("cache-control", "no-store");
          return call.json(await answer(name, route, handler, ctx, input, call, options));
        case "stream":
          await stream(handler, ctx, input, call, options.log);
          return RESPONSE_ALREADY_SENT;
        case "upload":
          if (Number(call.req.header("content-length") ?? 0) > route.maxBytes) throw tooLarge(route.maxBytes);
          return call.json(
            (await handler(ctx, { ...input, maxBytes: route.maxBytes }, call.env.incoming)) as object,
          );
      }
    });
  }
  app.all("*", (call) => {
    throw noSuchRoute(call);
  });
  app.onError((error, call) => {
    if (error instanceof OffingError) return problemResponse(error);
    // Who left while sending is no fault of ours, and reads no answer.
    if (call.env.incoming.destroyed && !call.env.incoming.complete)
      return new Response(null, { status: 400 });
    options.log.error("a request to the control API failed", {
      path: call.req.path,
      error: messageOf(error),
    });
    return problemResponse(
      new OffingError("internal", "something went wrong here; the program's log says what"),
    );
  });
  return app;
}

async function answer<C>(
  name: RouteName,
  route: Route,
  handler: LooseHandler<C>,
  ctx: C,
  input: Record<string, unknown>,
  call: ApiCall,
  options: BindOptions<C>,
): Promise<object> {
  const run = async (as: C) => (await handler(as, input)) as object;
  const key = call.req.header("idempotency-key");
  if (key === undefined || route.method === "GET") return run(ctx);
  if (route.kind === "json" && route.secret === true) {
    throw new OffingError(
      "invalid",
      "this request or its answer holds a secret and is not kept, so it takes no Idempotency-Key",
    );
  }
  return options.once(ctx, key, { route: name, organization: String(input["organization"]), input }, run);
}

async function stream<C>(
  handler: LooseHandler<C>,
  ctx: C,
  input: object,
  call: ApiCall,
  log: Log,
): Promise<void> {
  const ending = new AbortController();
  call.env.outgoing.once("close", () => ending.abort());
  const after = call.req.header("last-event-id");
  const events = (await handler(ctx, { ...input, after, signal: ending.signal })) as AsyncGenerator<{
    id: string;
    data: unknown;
  }>;
  if (call.env.outgoing.destroyed) ending.abort();
  await writeEvents(events, call.env.outgoing, ending.signal, log);
}

async function readJson(call: ApiCall): Promise<unknown> {
  const length = Number(call.req.header("content-length") ?? 0);
  if (length > MAX_JSON) throw tooLarge(MAX_JSON);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of call.env.incoming) {
    size += (chunk as Buffer).length;
    if (size > MAX_JSON) throw tooLarge(MAX_JSON);
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new OffingError("invalid", `the request body is not JSON: ${messageOf(error)}`);
  }
}

function tooLarge(maxBytes: number): OffingError {
  return new OffingError("too_large", `this request's body may have at most ${maxBytes / 1024 / 1024} MiB`);
}

function noSuchRoute(call: ApiCall): OffingError {
  return new OffingError("not_found", `there is no ${call.req.method} ${call.req.path} in this API`);
}

/** NUL and lone surrogates are in no name, and PostgreSQL takes neither. */
function refuseUnstorable(value: unknown): void {
  if (typeof value === "string") {
    if (value.includes("\0") || !value.isWellFormed())
      throw new OffingError("invalid", "the request holds text with a NUL or half a character in it");
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      refuseUnstorable(key);
      refuseUnstorable(item);
    }
  }
}

function parse(schema: z.ZodType, given: unknown): Record<string, unknown> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data as Record<string, unknown>;
  const issues = parsed.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message }));
  const first = issues[0];
  throw new OffingError(
    "invalid",
    first ? `${first.path || "the request"}: ${first.message}` : "the request is not valid",
    { issues },
  );
}

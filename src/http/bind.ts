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

/** How much JSON is read, and within which time. */
interface JsonLimits {
  readonly bytes: number;
  readonly seconds: number;
}
const proven: JsonLimits = { bytes: 1024 * 1024, seconds: 60 };
/** Of who has not shown yet who it is. */
const unproven: JsonLimits = { bytes: 4096, seconds: 10 };
/** No input of the contract comes near. */
const MAX_DEPTH = 64;

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
        const sent = await readJson(call, unproven);
        refuseUnstorable(sent);
        call.header("cache-control", "no-store");
        return call.json((await handler(browser, parse(route.input, sent))) as object);
      }
      const ctx = await options.authenticate(call.env);
      const given =
        route.kind === "upload"
          ? {}
          : route.method === "GET"
            ? call.req.query()
            : await readJson(call, proven);
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

async function readJson(call: ApiCall, { bytes, seconds }: JsonLimits): Promise<unknown> {
  if (Number(call.req.header("content-length") ?? 0) > bytes) throw tooLarge(bytes);
  const late = Promise.withResolvers<never>();
  const detail = `the request's body did not come within ${seconds} seconds`;
  const timer = setTimeout(() => late.reject(new OffingError("invalid", detail)), seconds * 1000);
  // What is refused in the middle is drained and ended by the listener.
  const body = await Promise.race([readBytes(call.env.incoming, bytes), late.promise]).finally(() =>
    clearTimeout(timer),
  );
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new OffingError("invalid", `the request body is not JSON: ${messageOf(error)}`);
  }
}

async function readBytes(incoming: IncomingMessage, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop must not destroy the connection on which the answer goes.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > max) throw tooLarge(max);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): OffingError {
  const kib = maxBytes / 1024;
  const most = kib < 1024 ? `${kib} KiB` : `${kib / 1024} MiB`;
  return new OffingError("too_large", `this request's body may have at most ${most}`);
}

function noSuchRoute(call: ApiCall): OffingError {
  return new OffingError("not_found", `there is no ${call.req.method} ${call.req.path} in this API`);
}

/** NUL and lone surrogates are in no name, and PostgreSQL takes neither; a schema drops `__proto__` and says nothing. */
function refuseUnstorable(value: unknown, depth = 0): void {
  if (typeof value === "string") {
    if (value.includes("\0") || !value.isWellFormed())
      throw new OffingError("invalid", "the request holds text with a NUL or half a character in it");
  } else if (typeof value === "object" && value !== null) {
    if (depth > MAX_DEPTH)
      throw new OffingError("invalid", `the request nests deeper than ${MAX_DEPTH} levels`);
    for (const [key, item] of Object.entries(value)) {
      refuseUnstorable(key);
      if (key === "__proto__") throw new OffingError("invalid", "__proto__ cannot be a name in a request");
      refuseUnstorable(item, depth + 1);
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

import type { z } from "zod";
import { OffingError, type Problem, problems } from "./errors.ts";
import type { Given, JsonRoute, OpenRoute, Output, Params, StreamRoute, UploadRoute } from "./route.ts";
import { type RouteName, type Routes, routes } from "./routes.ts";

type Routed<Kind> = { [Name in RouteName]: Routes[Name] extends { kind: Kind } ? Name : never }[RouteName];

export interface ClientOptions {
  /** The program's URL, without a trailing slash. */
  readonly url: string;
  readonly key?: string | undefined;
  readonly fetch?: typeof fetch;
}

export interface StreamEvent<T> {
  /** A cursor: pass it as `after` to resume. */
  readonly id: string;
  readonly data: T;
}

/** The typed client that CLI and web share. Every failure is an OffingError. */
export interface Client {
  call<Name extends Routed<"json" | "open">>(
    name: Name,
    params: Params<Routes[Name]>,
    input?: Given<Routes[Name]>,
    options?: { idempotencyKey?: string; signal?: AbortSignal },
  ): Promise<Output<Routes[Name]>>;
  stream<Name extends Routed<"stream">>(
    name: Name,
    params: Params<Routes[Name]>,
    input?: Given<Routes[Name]>,
    options?: { after?: string; signal?: AbortSignal },
  ): AsyncGenerator<StreamEvent<Output<Routes[Name]>>>;
  upload<Name extends Routed<"upload">>(
    name: Name,
    params: Params<Routes[Name]>,
    body: Blob | Uint8Array<ArrayBuffer>,
    options?: { signal?: AbortSignal },
  ): Promise<Output<Routes[Name]>>;
}

type AnyRoute =
  | JsonRoute<string, z.ZodType, z.ZodType>
  | OpenRoute<string, z.ZodType, z.ZodType>
  | StreamRoute<string, z.ZodType, z.ZodType>
  | UploadRoute<string, z.ZodType, z.ZodType>;

export function createClient(options: ClientOptions): Client {
  const send = options.fetch ?? fetch;

  async function request(
    route: AnyRoute,
    params: object,
    input: object,
    init: RequestInit,
  ): Promise<Response> {
    const url = new URL(`${options.url}/api/v1${fill(route.path, params as Record<string, string>)}`);
    if (route.method === "GET") {
      for (const [name, value] of Object.entries(input))
        if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(init.headers);
    if (options.key !== undefined) headers.set("authorization", `Bearer ${options.key}`);
    let response: Response;
    try {
      response = await send(url, { ...init, method: route.method, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new OffingError("unavailable", `nothing answers at ${options.url}`, {
        hint: "start it with ./offing up, or set OFFING_URL to where it runs",
        cause: error,
      });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  return {
    async call(name, params, input, more = {}) {
      const route: AnyRoute = routes[name];
      const body = route.method === "GET" ? {} : { body: JSON.stringify(input ?? {}) };
      const response = await request(route, params, input ?? {}, {
        ...body,
        headers: {
          ...(route.method === "GET" ? {} : { "content-type": "application/json" }),
          ...(more.idempotencyKey === undefined ? {} : { "idempotency-key": more.idempotencyKey }),
        },
        signal: more.signal ?? null,
      });
      return route.output.parse(await response.json()) as never;
    },
    async *stream(name, params, input, more = {}) {
      const route: AnyRoute = routes[name];
      const response = await request(route, params, input ?? {}, {
        headers: {
          accept: "text/event-stream",
          ...(more.after === undefined ? {} : { "last-event-id": more.after }),
        },
        signal: more.signal ?? null,
      });
      for await (const event of readEvents(response)) {
        if (event.name === "problem") throw toError(JSON.parse(event.data) as Problem);
        yield { id: event.id, data: route.output.parse(JSON.parse(event.data)) as never };
      }
    },
    async upload(name, params, body, more = {}) {
      const route: AnyRoute = routes[name];
      const response = await request(
        route,
        params,
        {},
        {
          body,
          headers: { "content-type": "application/octet-stream" },
          signal: more.signal ?? null,
        },
      );
      return route.output.parse(await response.json()) as never;
    },
  };
}

function fill(path: string, params: Record<string, string>): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
}

async function problemOf(response: Response): Promise<OffingError> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Problem;
    if (problem.code in problems) return toError(problem);
  } catch {
    // Not ours: something between here and Offing answered.
  }
  return new OffingError(
    "unavailable",
    `${response.url} answered ${response.status}, and not as Offing does`,
  );
}

function toError({ code, detail, hint, issues }: Problem): OffingError {
  return new OffingError(code, detail, {
    ...(hint === undefined ? {} : { hint }),
    ...(issues === undefined ? {} : { issues }),
  });
}

/** Server-sent events of one response (WHATWG HTML, section 9.2). */
async function* readEvents(response: Response): AsyncGenerator<{ id: string; name: string; data: string }> {
  let rest = "";
  let id = "";
  let name = "message";
  let data: string[] = [];
  for await (const text of textOf(response)) {
    rest += text;
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, name, data: data.join("\n") };
        data = [];
        name = "message";
      } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("id:")) id = line.slice(3).trim();
    }
  }
}

/** A stream that says nothing for so long is broken: the program writes at least every 15 seconds. */
const SILENT_MS = 50_000;

/** A body's text as it comes. By a reader, since Safari's streams cannot be iterated; leaving the loop ends the request. */
async function* textOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const end = () => reader.cancel().catch(() => {});
  try {
    for (;;) {
      const timer = setTimeout(() => void end(), SILENT_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await end();
  }
}

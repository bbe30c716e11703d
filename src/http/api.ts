import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { OffingError } from "../contract/errors.ts";
import type { AuditSigner } from "../domain/audit/checkpoint.ts";
import type { Context, Services } from "../domain/context.ts";
import { once } from "../domain/idempotency/once.ts";
import { authenticate, type Verify } from "./authenticate.ts";
import { type Bindings, bind } from "./bind.ts";
import { browserOf, requireSameOrigin } from "./browser.ts";
import { handlers } from "./handlers.ts";
import { problemResponse } from "./problem.ts";
import { createWeb, type WebBuild } from "./web.ts";

export interface ApiOptions {
  readonly services: Services;
  readonly signer: AuditSigner;
  readonly verify: Verify;
  readonly web: WebBuild;
}

/** Everything that is not the gateway's: the control API below `/api`, the pages elsewhere. */
export function createApi({
  services,
  signer,
  verify,
  web,
}: ApiOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const { log, clock, publicUrl } = services;
  const browser = ({ incoming, outgoing }: Bindings) =>
    browserOf(incoming, outgoing, publicUrl(), clock.now());
  const app = new Hono<{ Bindings: Bindings }>();
  app.route(
    "/api/v1",
    bind<Context>(handlers(services, signer), {
      log,
      once,
      authenticate: (bindings) => authenticate(services, verify, bindings.incoming, browser(bindings)),
      browser(bindings) {
        requireSameOrigin(bindings.incoming, publicUrl());
        return browser(bindings);
      },
    }),
  );
  app.notFound((call) => problemResponse(new OffingError("not_found", `nothing is at ${call.req.path}`)));
  const api = getRequestListener((request, env) => app.fetch(request, env as Bindings), {
    overrideGlobalObjects: false,
  });
  const pages = createWeb({ build: web, publicUrl, log });
  return (request, response) => {
    const isApi = /^\/api(?:[/?]|$)/.test(request.url ?? "");
    const { method, headers } = request;
    const isRead = isApi && method !== "GET" && method !== "HEAD";
    // A body that nobody reads is not waited for: the connection ends with the answer.
    if (!isRead && ("transfer-encoding" in headers || Number(headers["content-length"] ?? 0) > 0))
      response.setHeader("connection", "close");
    if (isApi) void api(request, response);
    else pages(request, response);
  };
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { OffingError } from "../contract/errors.ts";
import type { AuditSigner } from "../domain/audit/checkpoint.ts";
import type { Context, Services } from "../domain/context.ts";
import { once } from "../domain/idempotency/once.ts";
import { actorOf } from "../domain/principals/actor.ts";
import type { Principal } from "../policy/decide.ts";
import { type Bindings, bind, problem } from "./bind.ts";
import { handlers } from "./handlers.ts";

export interface ApiOptions {
  readonly services: Services;
  readonly signer: AuditSigner;
  /** Proves who sent a token. */
  readonly verify: (token: string) => Principal | undefined;
}

/** Everything that is not the gateway's: the control API, and a word at the root. */
export function createApi({
  services,
  signer,
  verify,
}: ApiOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const app = new Hono<{ Bindings: Bindings }>();
  app.route(
    "/api/v1",
    bind<Context>(handlers(signer), {
      log: services.log,
      once,
      authenticate: async function authenticate(authorization): Promise<Context> {
        const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
        const principal = token === undefined ? undefined : verify(token);
        if (principal === undefined || principal.kind === "anonymous") {
          throw new OffingError(
            "unauthenticated",
            token === undefined ? "this API needs a key" : "this key is unknown or was revoked",
            {
              hint: "send Authorization: Bearer KEY; make a key with: ./offing keys create",
            },
          );
        }
        return {
          ...services,
          actor: await actorOf(services, principal),
          renew: () => authenticate(authorization),
        };
      },
    }),
  );
  app.get("/", (call) =>
    call.text(
      "Offing is running. The control API is at /api/v1, MCP endpoints at /ORGANIZATION/SERVER/mcp.\n",
    ),
  );
  app.notFound((call) => problem(new OffingError("not_found", `nothing is at ${call.req.path}`)));
  const listener = getRequestListener((request, env) => app.fetch(request, env as Bindings), {
    overrideGlobalObjects: false,
  });
  return (request, response) => void listener(request, response);
}

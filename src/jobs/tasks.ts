import type { AuditSigner } from "../domain/audit/checkpoint.ts";
import { type Builder, runBuild } from "../domain/builds/run.ts";
import type { Services } from "../domain/context.ts";
import { maintain } from "../domain/maintain.ts";
import { refreshDue, refreshServer } from "../domain/servers/refresh.ts";
import type { Tasks } from "../store/jobs.ts";

/** Background work → verbs. */
export function tasks(options: { services: Services; signer: AuditSigner; builder: Builder }): Tasks {
  const { services, signer, builder } = options;
  return {
    build: (payload, signal) =>
      runBuild({ ...services, actor: { kind: "system", job: "build" } }, builder, { ...payload, signal }),
    maintain: () => maintain(services, signer),
    refresh: (payload) => refreshServer(services, payload),
    refresh_due: () => refreshDue(services),
  };
}

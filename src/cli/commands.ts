import type { Command } from "./command.ts";
import { auditVerify } from "./commands/audit-verify.ts";
import { builds } from "./commands/builds.ts";
import { call } from "./commands/call.ts";
import { deploy } from "./commands/deploy.ts";
import { keysCreate } from "./commands/keys-create.ts";
import { keysList } from "./commands/keys-list.ts";
import { keysRevoke } from "./commands/keys-revoke.ts";
import { logs } from "./commands/logs.ts";
import { requests } from "./commands/requests.ts";
import { rollback } from "./commands/rollback.ts";
import { servers } from "./commands/servers.ts";
import { tools } from "./commands/tools.ts";

/** Every command that is a client of the API, in the order of the help. */
export const commands: readonly Command[] = [
  deploy,
  servers,
  builds,
  logs,
  requests,
  tools,
  call,
  rollback,
  keysCreate,
  keysList,
  keysRevoke,
  auditVerify,
];

import type { Command } from "./command.ts";
import { auditVerify } from "./commands/audit-verify.ts";
import { builds } from "./commands/builds.ts";
import { call } from "./commands/call.ts";
import { check } from "./commands/check.ts";
import { deploy } from "./commands/deploy.ts";
import { envList } from "./commands/env-list.ts";
import { envRemove } from "./commands/env-remove.ts";
import { envSet } from "./commands/env-set.ts";
import { keysCreate } from "./commands/keys-create.ts";
import { keysList } from "./commands/keys-list.ts";
import { keysRevoke } from "./commands/keys-revoke.ts";
import { logs } from "./commands/logs.ts";
import { register } from "./commands/register.ts";
import { requests } from "./commands/requests.ts";
import { rollback } from "./commands/rollback.ts";
import { servers } from "./commands/servers.ts";
import { serversSet } from "./commands/servers-set.ts";
import { sessions } from "./commands/sessions.ts";
import { signIn } from "./commands/sign-in.ts";
import { signOut } from "./commands/sign-out.ts";
import { tools } from "./commands/tools.ts";

/** Every command that is a client of the API, in the order of the help. */
export const commands: readonly Command[] = [
  deploy,
  register,
  servers,
  serversSet,
  builds,
  logs,
  requests,
  sessions,
  tools,
  call,
  check,
  rollback,
  envSet,
  envList,
  envRemove,
  signIn,
  signOut,
  keysCreate,
  keysList,
  keysRevoke,
  auditVerify,
];

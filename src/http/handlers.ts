import { listGrants } from "../domain/access/list-grants.ts";
import { removeGrant } from "../domain/access/remove-grant.ts";
import { setGrant } from "../domain/access/set-grant.ts";
import type { AuditSigner } from "../domain/audit/checkpoint.ts";
import { verifyAudit } from "../domain/audit/verify.ts";
import { cancelBuild } from "../domain/builds/cancel.ts";
import { followBuild } from "../domain/builds/follow.ts";
import { getBuild } from "../domain/builds/get.ts";
import { listBuilds } from "../domain/builds/list.ts";
import { startBuild } from "../domain/builds/start.ts";
import type { Context, Services } from "../domain/context.ts";
import { rollback } from "../domain/deployments/rollback.ts";
import { createKey } from "../domain/keys/create.ts";
import { listKeys } from "../domain/keys/list.ts";
import { revokeKey } from "../domain/keys/revoke.ts";
import { me } from "../domain/organizations/me.ts";
import { createServiceAccount } from "../domain/principals/create-service-account.ts";
import { listServiceAccounts } from "../domain/principals/list-service-accounts.ts";
import { removeServiceAccount } from "../domain/principals/remove-service-account.ts";
import { followRequests, followServerLines } from "../domain/records/follow.ts";
import { listServerLines } from "../domain/records/list-lines.ts";
import { listRequests } from "../domain/records/list-requests.ts";
import { getServer } from "../domain/registry/get-server.ts";
import { listCapabilities } from "../domain/registry/list-capabilities.ts";
import { listServers } from "../domain/registry/list-servers.ts";
import { setServer } from "../domain/servers/set.ts";
import { listSessions } from "../domain/sessions/list.ts";
import { registerServer } from "../domain/servers/register.ts";
import { createUpload } from "../domain/uploads/create.ts";
import { listVariables } from "../domain/variables/list.ts";
import { removeVariables } from "../domain/variables/remove.ts";
import { setVariables } from "../domain/variables/set.ts";
import { createSignInLink } from "../domain/web-sessions/create-link.ts";
import { signIn } from "../domain/web-sessions/sign-in.ts";
import { signOut } from "../domain/web-sessions/sign-out.ts";
import { signOutEverywhere } from "../domain/web-sessions/sign-out-everywhere.ts";
import type { Handlers } from "./bind.ts";

/** Which verb answers which route. */
export function handlers(services: Services, signer: AuditSigner): Handlers<Context> {
  return {
    me: (ctx) => me(ctx),
    createSignInLink,
    signOutEverywhere,
    async signIn(browser, { token }) {
      const opened = await signIn(services, token);
      if (browser.session !== undefined) await signOut(services, browser.session, { everywhere: false });
      browser.keep(opened.secret, opened.expiresAt);
      return me(opened.ctx);
    },
    async signOut(browser, input) {
      if (browser.session !== undefined) await signOut(services, browser.session, input);
      browser.forget();
      return {};
    },
    listServers,
    getServer,
    setServer,
    listCapabilities,
    registerServer,
    rollback,
    createUpload,
    startBuild,
    listBuilds,
    getBuild,
    cancelBuild,
    followBuild,
    listVariables,
    setVariables,
    removeVariables,
    listServerLines,
    followServerLines,
    listRequests,
    followRequests,
    listSessions,
    listKeys,
    createKey,
    revokeKey,
    createServiceAccount,
    listServiceAccounts,
    removeServiceAccount,
    listGrants,
    setGrant,
    removeGrant,
    verifyAudit: (ctx, input) => verifyAudit(ctx, signer, input),
  };
}

import { z } from "zod";
import { json, open, stream, upload } from "./route.ts";
import * as s from "./schemas.ts";

const Nothing = z.object({});
const org = { organization: "organization" } as const;
const server = { organization: "organization", server: "server" } as const;
const since = { since: s.At.optional() };

/** The control API, as data: the server binds it, the client calls it, tests go over it. */
export const routes = {
  me: json({ method: "GET", path: "/me", params: {}, summary: "Who am I?", input: Nothing, output: s.Me }),
  createSignInLink: json({
    method: "POST",
    path: "/organizations/:organization/sign-in-links",
    params: org,
    summary: "A link that signs you in to the pages once, within 15 minutes",
    secret: true,
    input: Nothing,
    output: z.object({ url: z.string(), expiresAt: s.At }),
  }),
  signOutEverywhere: json({
    method: "DELETE",
    path: "/organizations/:organization/web-sessions",
    params: org,
    summary: "Sign all your browsers out, and use up the sign-in links that are open",
    input: Nothing,
    output: z.object({ sessions: z.number(), links: z.number() }),
  }),
  signIn: open({
    method: "POST",
    path: "/web-session",
    params: {},
    summary: "Sign this browser in with the token of a sign-in link",
    input: z.object({ token: z.string().max(200) }),
    output: s.Me,
  }),
  signOut: open({
    method: "DELETE",
    path: "/web-session",
    params: {},
    summary: "Sign this browser out, or all of yours",
    input: z.object({ everywhere: z.boolean().default(false) }),
    output: Nothing,
  }),

  listServers: json({
    method: "GET",
    path: "/organizations/:organization/servers",
    params: org,
    summary: "The servers that you may discover",
    input: s.Page,
    output: s.listOf(s.Server),
  }),
  getServer: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server",
    params: server,
    summary: "One server",
    input: Nothing,
    output: s.Server,
  }),
  listCapabilities: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/capabilities",
    params: server,
    summary: "What a deployment's artifact exposes",
    input: z.object({ deployment: z.string().default("live") }),
    output: s.listOf(s.Capability),
  }),
  rollback: json({
    method: "POST",
    path: "/organizations/:organization/servers/:server/rollback",
    params: server,
    summary: "Make the live deployment select an earlier artifact",
    input: z.object({ build: z.string().optional() }),
    output: s.Server,
  }),

  createUpload: upload({
    path: "/organizations/:organization/uploads",
    params: org,
    summary: "Upload a Git bundle",
    input: Nothing,
    output: z.object({ id: z.string(), sizeBytes: z.number() }),
    maxBytes: 512 * 1024 * 1024,
  }),
  startBuild: json({
    method: "POST",
    path: "/organizations/:organization/builds",
    params: org,
    summary: "Build a commit and select its artifact; makes the server on its first build",
    input: s.StartBuild,
    output: s.Build,
  }),
  listBuilds: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/builds",
    params: server,
    summary: "A server's builds, newest first",
    input: s.Page,
    output: s.listOf(s.Build),
  }),
  getBuild: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/builds/:build",
    params: { ...server, build: "build" },
    summary: "One build",
    input: Nothing,
    output: s.Build,
  }),
  cancelBuild: json({
    method: "POST",
    path: "/organizations/:organization/servers/:server/builds/:build/cancel",
    params: { ...server, build: "build" },
    summary: "Cancel a queued or running build",
    input: Nothing,
    output: s.Build,
  }),
  followBuild: stream({
    path: "/organizations/:organization/servers/:server/builds/:build/log",
    params: { ...server, build: "build" },
    summary: "A build's log from its beginning, then as it grows; ends with the finished build",
    input: Nothing,
    output: s.BuildEvent,
  }),

  listVariables: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/variables",
    params: server,
    summary: "The names of a server's variables; values are never shown",
    input: s.Page,
    output: s.listOf(s.Variable),
  }),
  setVariables: json({
    method: "PUT",
    path: "/organizations/:organization/servers/:server/variables",
    params: server,
    summary: "Set variables of a server, for its next build",
    secret: true,
    input: z.object({
      variables: z.record(z.string(), z.string()),
      /** Makes the server when it is not there. */
      create: z.boolean().default(false),
    }),
    output: s.VariableChange,
  }),
  removeVariables: json({
    method: "POST",
    path: "/organizations/:organization/servers/:server/variables/remove",
    params: server,
    summary: "Remove variables of a server, for its next build",
    input: z.object({ names: z.array(z.string().min(1).max(256)).min(1).max(256) }),
    output: s.VariableChange,
  }),

  listServerLines: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/logs",
    params: server,
    summary: "What a server's instances printed, newest first",
    input: s.Page.extend(since),
    output: s.listOf(s.ServerLine),
  }),
  followServerLines: stream({
    path: "/organizations/:organization/servers/:server/logs/follow",
    params: server,
    summary: "What a server's instances print, from now on",
    input: z.object(since),
    output: s.ServerLine,
  }),
  listRequests: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/requests",
    params: server,
    summary: "The requests to a server, newest first",
    input: s.Page.extend(since),
    output: s.listOf(s.Request),
  }),
  followRequests: stream({
    path: "/organizations/:organization/servers/:server/requests/follow",
    params: server,
    summary: "The requests to a server, from now on",
    input: z.object(since),
    output: s.Request,
  }),

  listKeys: json({
    method: "GET",
    path: "/organizations/:organization/keys",
    params: org,
    summary: "Your keys; for admins every key of the organization",
    input: s.Page,
    output: s.listOf(s.Key),
  }),
  createKey: json({
    method: "POST",
    path: "/organizations/:organization/keys",
    params: org,
    summary: "A new key, shown once; yours, or a service account's",
    secret: true,
    input: z.object({ label: z.string().max(100).default(""), serviceAccount: s.Slug.optional() }),
    output: z.object({ id: z.string(), key: z.string() }),
  }),
  revokeKey: json({
    method: "DELETE",
    path: "/organizations/:organization/keys/:key",
    params: { organization: "organization", key: "key" },
    summary: "Revoke a key; effective at once",
    input: Nothing,
    output: s.Key,
  }),

  createServiceAccount: json({
    method: "POST",
    path: "/organizations/:organization/service-accounts",
    params: org,
    summary: "A principal for programs",
    input: z.object({ slug: s.Slug, role: z.enum(["admin", "member"]).default("member") }),
    output: s.ServiceAccount,
  }),
  listServiceAccounts: json({
    method: "GET",
    path: "/organizations/:organization/service-accounts",
    params: org,
    summary: "The organization's service accounts",
    input: s.Page,
    output: s.listOf(s.ServiceAccount),
  }),
  removeServiceAccount: json({
    method: "DELETE",
    path: "/organizations/:organization/service-accounts/:principal",
    params: { organization: "organization", principal: "principal" },
    summary: "Remove a service account with its keys and grants; effective at once",
    input: Nothing,
    output: Nothing,
  }),
  listGrants: json({
    method: "GET",
    path: "/organizations/:organization/servers/:server/grants",
    params: server,
    summary: "Who has which role on a server",
    input: s.Page,
    output: s.listOf(s.Grant),
  }),
  setGrant: json({
    method: "PUT",
    path: "/organizations/:organization/servers/:server/grants/:principal",
    params: { ...server, principal: "principal" },
    summary: "Give a principal a role on a server",
    input: z.object({ role: s.ServerRole }),
    output: s.Grant,
  }),
  removeGrant: json({
    method: "DELETE",
    path: "/organizations/:organization/servers/:server/grants/:principal",
    params: { ...server, principal: "principal" },
    summary: "Take a principal's role away",
    input: Nothing,
    output: Nothing,
  }),
  verifyAudit: json({
    method: "GET",
    path: "/organizations/:organization/audit/verify",
    params: org,
    summary: "Prove the audit chain, row by row",
    input: Nothing,
    output: s.AuditReport,
  }),
} as const;

export type Routes = typeof routes;
export type RouteName = keyof Routes;

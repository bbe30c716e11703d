import type { Run } from "./runs.ts";
import { failed, type Outcome, passed, version } from "./suite.ts";

/** docs/conformance.md, from what the runs found. */
export function documentOf(runs: readonly Run[]): string {
  const servers = runs.filter(({ upstream }) => upstream !== null);
  const clients = runs.filter(({ upstream }) => upstream === null);
  return `# Conformance

The official suite, \`@modelcontextprotocol/conformance@${version}\`, run through a gateway that asks for a key. Written by
\`npm run conformance\`, which \`test/conformance\` holds; CI runs the same. A scenario counts as passed when one of its checks
holds and none fails, those of a SHOULD included. *Scored* are the scenarios of the revision's requirement set; *beside* are
those that the suite runs without counting them: extensions (tasks among them), and what came after the revision.

## As a server

The upstream behind the gateway is ours (\`test/conformance/fixtures\`), on the official SDKs: *modern* speaks 2026-07-28 only, *legacy* the
handshake revisions only. Where an upstream speaks the revision itself, the same suite also ran directly at it, and what holds
there must neither fail nor be skipped through the gateway. An answer that is whole at once leaves the gateway as JSON, on which
checks of event streams (\`server-sse-polling\`) find nothing to look at; \`tasks-status-notifications\` the suite itself always skips.

| revision | upstream | scored, through | beside, through | checks, through | scored, direct | checks, direct |
|---|---|---|---|---|---|---|
${servers.map(serverRow).join("\n")}

${failures(servers)}

## As a client

The suite plays the server, and a call goes to it through the gateway: client scenarios outside authorization.

| revision | scored | beside | checks |
|---|---|---|---|
${clients.map((run) => `| ${run.revision} | ${count(run.through, true)} | ${count(run.through, false)} | ${checks(run.through)} |`).join("\n")}

${failures(clients)}
`;
}

function serverRow({ revision, upstream, through, direct }: Run): string {
  const beside = direct === null ? ["–", "–"] : [count(direct, true), checks(direct)];
  return `| ${[revision, upstream, count(through, true), count(through, false), checks(through), ...beside].join(" | ")} |`;
}

/** "passed of all" scenarios. */
function count(outcomes: readonly Outcome[], scored: boolean): string {
  const counted = outcomes.filter((outcome) => outcome.scored === scored);
  return `${counted.filter(passed).length} of ${counted.length}`;
}

function checks(outcomes: readonly Outcome[]): string {
  const all = outcomes.flatMap((outcome) => outcome.checks);
  const bad = outcomes.flatMap(failed).length;
  const good = all.filter(({ status }) => status === "SUCCESS").length;
  return `${good} hold, ${bad} fail`;
}

function failures(runs: readonly Run[]): string {
  const lines = runs.flatMap(({ title, expected }) =>
    expected.map(({ entry, reason }) => `| ${title} | ${entry} | ${reason} |`),
  );
  if (lines.length === 0) return "No failure is expected, and none occurred.";
  return ["What fails, and why:", "", "| run | scenario or check | why |", "|---|---|---|", ...lines].join(
    "\n",
  );
}

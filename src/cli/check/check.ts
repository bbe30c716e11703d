import { OffingError } from "../../contract/errors.ts";
import { randomText } from "../../lib/ids.ts";
import type { CliContext } from "../context.ts";
import { checkAccess } from "./access.ts";
import { checkAuthentication } from "./authentication.ts";
import { checkDeployment } from "./deployment.ts";
import { checkEndpoint } from "./endpoint.ts";
import { asExternal, notExternal } from "./external.ts";
import type { Line, Scene } from "./line.ts";
import { checkRecords } from "./records.ts";
import { checkVariables } from "./variables.ts";

export interface Report {
  readonly server: string;
  readonly endpoint: string;
  /** Whether no line failed. */
  readonly ok: boolean;
  readonly checks: readonly Line[];
}

/** Goes over both lists, line by line, at the real endpoint. Throws an OffingError where the server is not to be seen. */
export async function check(cli: CliContext, at: { organization: string; server: string }): Promise<Report> {
  const scene = await open(cli, at);
  // The records come last: they are those of the requests before.
  const checks = [
    await checkDeployment(scene),
    ...(await checkEndpoint(scene)),
    ...(await checkAuthentication(scene)),
    ...(await checkAccess(scene)),
    ...(await checkVariables(scene)),
    ...(await checkRecords(scene)),
  ];
  const lines = scene.server.kind === "external" ? asExternal(checks) : [...checks, ...notExternal(scene)];
  return {
    server: `${at.organization}/${at.server}`,
    endpoint: scene.server.endpoint,
    ok: lines.every(({ result }) => result !== "failed"),
    checks: lines,
  };
}

async function open(cli: CliContext, at: Scene["at"]): Promise<Scene> {
  const me = await cli.client.call("me", {});
  const server = await cli.client.call("getServer", at);
  const builds = await cli.client.call("listBuilds", at, { limit: 200 }).then(
    ({ items }) => items,
    (error: unknown) => {
      if (error instanceof OffingError && error.code === "forbidden") return null;
      throw error;
    },
  );
  return {
    cli,
    at,
    me,
    server,
    builds,
    since: await programTime(cli),
    client: { name: "offing-check", version: randomText(8) },
    made: [],
  };
}

/** The program's own clock, to the second: this machine's may go differently. */
async function programTime(cli: CliContext): Promise<string> {
  const response = await fetch(`${cli.url}/api/v1/me`, { method: "HEAD" });
  const told = Date.parse(response.headers.get("date") ?? "");
  return new Date(Number.isNaN(told) ? Date.now() : told).toISOString();
}

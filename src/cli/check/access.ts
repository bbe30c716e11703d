import { OffingError } from "../../contract/errors.ts";
import { randomText } from "../../lib/ids.ts";
import { withMcp } from "../mcp.ts";
import {
  absentName,
  failed,
  type Line,
  line,
  type Made,
  isServed,
  notApplicable,
  nothingLive,
  passed,
  type Scene,
} from "./line.ts";

const CHECK = "Who has no role on the server is refused, and who may only see it may not call it";

/** Asks as somebody who may nothing: a service account made for it, and removed again. */
export async function checkAccess(scene: Scene): Promise<Line[]> {
  return [
    await line("hosted", CHECK, async () => {
      if (!isServed(scene)) return nothingLive;
      const { role } = scene.me.organization;
      if (role === "member")
        return notApplicable(
          `it needs a principal without a role, which only an admin can make; yours is "${role}"`,
          "run it with an admin's key",
        );
      const { client } = scene.cli;
      const { organization } = scene.at;
      const name = `check-${randomText(8)}`;
      const account = await client.call("createServiceAccount", { organization }, { slug: name });
      const remove = () => client.call("removeServiceAccount", { organization, principal: account.id });
      let problem: string | null;
      try {
        problem = await boundary(scene, { id: account.id, name });
      } catch (error) {
        await remove().catch(() => {});
        throw error;
      }
      try {
        await remove();
      } catch (error) {
        return failed(
          `the service account ${name} (${account.id}), made for this check, could not be removed: ${(error as Error).message}`,
          `remove it as an admin: curl -X DELETE -H 'Authorization: Bearer KEY' ${scene.cli.url}/api/v1/organizations/${organization}/service-accounts/${account.id}`,
        );
      }
      return problem === null
        ? passed(
            'answered 404 without a role and 403 with the role "viewer", by the gateway; the account for it is removed',
          )
        : failed(problem, `./offing requests ${scene.at.server} says what the gateway decided`);
    }),
    await line("hosted", "Capability policies cover sensitive tools", () =>
      notApplicable("there are no capability policies: who may call a server may call each of its tools"),
    ),
  ];
}

/** What let the account pass where it must not; null when nothing did. */
async function boundary(scene: Scene, principal: Made["principal"]): Promise<string | null> {
  const { cli, at, server, made } = scene;
  const { organization } = at;
  const { name } = principal;
  const { key } = await cli.client.call("createKey", { organization }, { label: name, serviceAccount: name });
  const through = { endpoint: server.endpoint, client: scene.client, key };
  const without = await refusal(withMcp(cli, at, (client) => client.listTools(), through));
  if (without !== "not_found") return `a principal without a role was not answered 404 but: ${without}`;
  made.push({ method: null, principal });
  await cli.client.call("setGrant", { ...at, principal: principal.id }, { role: "viewer" });
  // A prompt that no server has: should the boundary not hold, nothing is changed by it.
  const seeing = await refusal(withMcp(cli, at, (client) => client.getPrompt({ name: absentName }), through));
  made.push({ method: "prompts/get", principal });
  return seeing === "forbidden"
    ? null
    : `a principal with the role "viewer" was not answered 403 but: ${seeing}`;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "an answer";
  } catch (error) {
    return error instanceof OffingError ? error.code : (error as Error).message;
  }
}

import { OffingError } from "../../contract/errors.ts";
import { shellWord } from "../../lib/shell.ts";
import { everyPage } from "../pages.ts";
import { failed, type Line, line, needsRole, notApplicable, passed, type Scene } from "./line.ts";

/** Are the variables there that the server's code asked for, and do those that were set serve? */
export async function checkVariables(scene: Scene): Promise<Line[]> {
  const { cli, at, builds } = scene;
  return [
    await line("hosted", "Production has the variables that the server's code needs", async () => {
      const variables = await everyPage((cursor) =>
        cli.client.call("listVariables", at, { limit: 200, ...cursor }),
      ).catch((error: unknown) => {
        if (error instanceof OffingError && error.code === "forbidden") return null;
        throw error;
      });
      if (variables === null || builds === null) return needsRole("editor");
      const production = variables.filter(({ scope }) => scope === "production");
      const names = new Set(production.map(({ name }) => name));
      const missing = (builds[0]?.error?.missing ?? []).filter((name) => !names.has(name));
      if (missing.length > 0)
        return failed(
          `the last build needed ${missing.join(", ")}, which no production variable gives`,
          `./offing env set ${at.server} ${missing.map((name) => `${name}=VALUE`).join(" ")}`,
        );
      // A rollback keeps the variables of the newest build that was made for live.
      const build = builds.find(({ deployment }) => deployment?.slug === "live");
      const taken = build?.steps[0]?.startedAt ?? build?.createdAt;
      const later = production.filter(({ updatedAt }) => taken !== undefined && updatedAt > taken);
      if (later.length > 0)
        return failed(
          `set after the build that live has its variables from began, so that it does not have them: ${later.map(({ name }) => name).join(", ")}`,
          `./offing deploy ${shellWord(build?.source ?? "SOURCE")} --server ${at.server}`,
        );
      return passed(names.size === 0 ? "none is set, and none was missed" : [...names].join(", "));
    }),
    await line("hosted", "Previews have variables of their own", () =>
      notApplicable("there are no variables of previews: those that are set are production's alone"),
    ),
  ];
}

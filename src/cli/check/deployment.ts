import { failed, type Line, line, liveOf, needsRole, notApplicable, passed, type Scene } from "./line.ts";

/** Does the live deployment select what was built last for it? */
export function checkDeployment(scene: Scene): Promise<Line> {
  const { at, server, builds } = scene;
  return line(
    "hosted",
    "The live deployment selects the artifact of the newest successful build of the default branch",
    () => {
      if (server.kind !== "hosted")
        return notApplicable("the server runs elsewhere, so nothing of it is built here");
      const live = liveOf(scene);
      const last = server.lastBuild;
      if (live === undefined) {
        return last?.status === "failed"
          ? failed(
              `nothing is live, and the last build, ${last.id}, failed`,
              `./offing logs ${at.server} --build says why; correct it and deploy again`,
            )
          : failed("nothing is live", `./offing deploy SOURCE --server ${at.server}`);
      }
      if (builds === null) return needsRole("editor");
      const forLive = builds.filter((build) => build.deployment?.slug === "live");
      const newest = forLive.find(({ status }) => status === "succeeded");
      if (newest === undefined)
        return failed(`no successful build is known for the live build ${live.build}`, null);
      if (newest.id !== live.build) {
        return failed(
          `build ${live.build} is live after a rollback; ${describe(newest)} is newer`,
          `./offing rollback ${at.server} ${newest.id}`,
        );
      }
      if (newest.artifact !== live.artifact)
        return failed(
          `live selects the artifact ${live.artifact}, and its build ${newest.id} made ${newest.artifact}`,
          `./offing deploy SOURCE --server ${at.server}`,
        );
      const attempt =
        last === null || last.id === newest.id ? "" : `; the last attempt, ${last.id}, is ${last.status}`;
      return passed(`${describe(newest)} is live${attempt}`);
    },
  );
}

function describe(build: NonNullable<Scene["builds"]>[number]): string {
  const commit = build.commit === null ? "" : ` of commit ${build.commit.slice(0, 10)}`;
  return `build ${build.id}${commit}`;
}

import { locateArtifact } from "../build/package.ts";
import { OffingError } from "../contract/errors.ts";
import type { Services } from "../domain/context.ts";
import { instanceVariables } from "../domain/variables/environment.ts";
import { messageOf } from "../lib/log.ts";
import { type Artifacts, StartError } from "../runner/runner.ts";
import { hasSessionState } from "../runner/valkey.ts";

/** The runner's door: an artifact's place on this machine, and the plain variables that an instance gets. */
export function createArtifacts(dataDir: string, services: Services): Artifacts {
  return {
    async locate(target) {
      const [place, variables] = await Promise.all([
        locateArtifact(dataDir, target.artifact),
        instanceVariables(services, target).catch(unreadable),
      ]);
      const { organization, server, scope } = target;
      const stateKeys = services.secrets.derive(`request state of ${organization}/${server}/${scope}`);
      return {
        ...place,
        ...variables,
        stateKeys: stateKeys.map((key) => key.toString("hex")),
        keepsState: hasSessionState(place.environment),
      };
    },
  };
}

/** Not the artifact's fault, so it is not told as one. */
function unreadable(error: unknown): never {
  throw new StartError("exited", `The server's variables cannot be read: ${messageOf(error)}.`, {
    hint: (error instanceof OffingError ? error.hint : undefined) ?? null,
  });
}

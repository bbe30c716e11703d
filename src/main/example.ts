import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { followBuildLog, lineText } from "../cli/build-log.ts";
import { bundleFolder } from "../cli/bundle.ts";
import { createClient } from "../contract/client.ts";
import type { System } from "./system.ts";

const folder = join(import.meta.dirname, "../../examples/hello");

/** Deploys the bundled example as any user would: over the API, with the owner's key. */
export async function deployExample(
  system: System,
  say: (text: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const key = readFileSync(system.ownerKeyFile, "utf8").trim();
  const client = createClient({ url: system.localUrl, key });
  const at = { organization: "default", server: "hello" };
  say("Deploying the example…");
  const bundle = await bundleFolder(folder);
  try {
    const { id } = await client.upload("createUpload", at, await readFile(bundle.path));
    const started = await client.call("startBuild", at, {
      server: at.server,
      source: { kind: "upload", upload: id, commit: bundle.commit, name: bundle.name },
    });
    const cli = { url: system.localUrl, key, client, json: false, organization: async () => at.organization };
    const build = await Promise.race([
      followBuildLog(cli, { ...at, build: started.id }, true, (line) => say(lineText(line))),
      new Promise<undefined>((resolve) => stop.addEventListener("abort", () => resolve(undefined))),
    ]);
    if (build?.status === "succeeded") {
      say(
        `\nThe example is live: ${build.deployment?.endpoint}\nCall it: ./offing call hello greet '{"name": "Ada"}'`,
      );
    } else if (build !== undefined) {
      say("The example could not be built; ./offing logs hello --build says why. Everything else works.");
    }
  } finally {
    await rm(dirname(bundle.path), { recursive: true, force: true });
  }
}

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bundleFolder } from "../../src/cli/bundle.ts";
import { noSandboxHere, python } from "../fixtures/environments.ts";
import { type Files, repository } from "../fixtures/repositories.ts";
import { describeIf } from "../needs.ts";
import { buildWorld, type BuildWorld, type Outcome, type Parts, realParts } from "./world.ts";

/** Makes a wheel of `rare` 0.9 and 1.0, and the source of `broken` 1.0, whose back-end only fails. */
const MAKE = `
import io, sys, tarfile, zipfile
for version in ("0.9", "1.0"):
    info = f"rare-{version}.dist-info"
    with zipfile.ZipFile(f"{sys.argv[1]}/rare-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("rare.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: rare\\nVersion: {version}\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", f"rare.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
with tarfile.open(f"{sys.argv[1]}/broken-1.0.tar.gz", "w:gz") as source:
    for name, text in {
        "PKG-INFO": "Metadata-Version: 2.1\\nName: broken\\nVersion: 1.0\\n",
        "pyproject.toml": "[build-system]\\nrequires = []\\nbuild-backend = 'failing'\\nbackend-path = ['.']\\n",
        "failing.py": "def build_wheel(*_a, **_k):\\n    raise SystemExit('Connection reset by peer')\\n",
    }.items():
        entry = tarfile.TarInfo(f"broken-1.0/{name}")
        entry.size = len(text)
        source.addfile(entry, io.BytesIO(text.encode()))
`;

/** A package index on loopback. Each test says how it fails. */
let index: Server;
let folder: string;
let asked: string[];
const well = (): boolean => false;
let fault: (path: string, response: ServerResponse) => boolean = well;
/** Milliseconds of each pause that a build made. */
let pauses: number[];
let afterPause = (): void => {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "offing-index-"));
  execFileSync(python, ["-c", MAKE, folder]);
  index = createServer(answer).listen(0, "127.0.0.1");
  await once(index, "listening");
});
afterAll(() => {
  index.close();
  index.closeAllConnections();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  fault = well;
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? "/";
  asked.push(path);
  if (fault(path, response)) return;
  if (path === "/simple/rare/")
    return page(response, ["rare-0.9-py3-none-any.whl", "rare-1.0-py3-none-any.whl"]);
  if (path === "/simple/broken/") return page(response, ["broken-1.0.tar.gz"]);
  if (path.startsWith("/files/")) {
    response.end(readFileSync(join(folder, path.slice("/files/".length))));
    return;
  }
  response.writeHead(404).end();
}

function page(response: ServerResponse, files: readonly string[], cache = "no-cache"): void {
  response.writeHead(200, { "content-type": "text/html", "cache-control": cache });
  response.end(files.map((file) => `<a href="/files/${file}">${file}</a>`).join("\n"));
}

/** From the second time that it is asked for on, `times` answers are those of a machine without the release. */
function lacks(times: number): (path: string, response: ServerResponse) => boolean {
  let pages = 0;
  return (path, response) => {
    if (path !== "/simple/rare/" || ++pages === 1 || pages > 1 + times) return false;
    page(response, ["rare-0.9-py3-none-any.whl"], "max-age=600");
    return true;
  };
}

async function deploy(requirements: string, parts: Partial<Parts> = {}): Promise<Outcome> {
  const { port } = index.address() as AddressInfo;
  asked = [];
  pauses = [];
  const world: BuildWorld = await buildWorld({
    ...parts,
    env: { ...process.env, UV_DEFAULT_INDEX: `http://127.0.0.1:${port}/simple` },
    pause: async (ms) => {
      pauses.push(ms);
      afterPause();
    },
  });
  world.allow.push({ host: "127.0.0.1", port });
  const files: Files = {
    "main.py": "mcp = 1\n",
    "requirements.txt": `${requirements}\nmcp ; python_version < '3'\n`,
  };
  const { path, commit, ref } = await bundleFolder((await repository("index", files)).path);
  const outcome = await world.run({ kind: "bundle", path, commit, ref });
  await world.close();
  return outcome;
}

describe("a build whose package index", () => {
  it("lacks for a moment the version that the resolution chose asks again, whatever uv's cache says, and succeeds. [R:builds.lagging-index]", async () => {
    fault = lacks(1);
    const { error, built, lines } = await deploy("rare");
    expect(error).toBeNull();
    expect(built?.artifact.packages).toEqual(["rare==1.0"]);
    expect(pauses).toEqual([2000]);
    expect(lines).toContainEqual(
      expect.stringMatching(/lacks rare==1\.0 just now.*asking again in 2 seconds/),
    );
  });

  it("goes on lacking it fails after three more tries, with the release named. [R:builds.again-bounded]", async () => {
    fault = lacks(Infinity);
    const { error } = await deploy("rare");
    expect(error).toMatchObject({ step: "install", code: "dependencies_unresolvable" });
    expect(error?.message).toContain("rare");
    expect(pauses).toEqual([2000, 5000, 10_000]);
  });

  it(
    "answers 503 for longer than uv waits asks again and succeeds. [R:builds.index-unwell]",
    { timeout: 60_000 },
    async () => {
      let back = false;
      afterPause = () => (back = true);
      fault = (_path, response) => {
        if (!back) response.writeHead(503).end();
        return !back;
      };
      const { error, lines } = await deploy("rare");
      expect(error).toBeNull();
      expect(pauses).toEqual([2000]);
      expect(lines).toContainEqual(expect.stringMatching(/did not answer .*503.*asking again in 2 seconds/));
    },
  );

  it.each([
    ["an unknown name", "no-such-name-anywhere", "dependency_not_found"],
    ["a version that is not there", "rare==7", "dependencies_unresolvable"],
    ["a conflict", "rare==1.0\nrare<1", "dependencies_unresolvable"],
  ])("is asked once for %s", async (_what, requirements, code) => {
    const { error } = await deploy(requirements);
    expect(error).toMatchObject({ step: "install", code });
    expect(pauses).toEqual([]);
  });
});

describeIf(noSandboxHere === null, noSandboxHere ?? "")("a package", () => {
  it(
    "whose build fails is built once, whatever its words are. [R:builds.failed-once]",
    { timeout: 60_000 },
    async () => {
      const parts = await realParts();
      const { error } = await deploy("broken", parts);
      expect(error).toMatchObject({ step: "install", code: "dependency_build_failed" });
      expect(error?.message).toContain("Connection reset");
      expect(pauses).toEqual([]);
      await parts.close();
    },
  );
});

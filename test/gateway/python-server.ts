import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Manifest } from "../../src/mcp/manifest.ts";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { environment } from "../fixtures/environments.ts";

/** The frameworks that the gateway is tried with, and what their environments hold. */
export const frameworks = [
  { name: "FastMCP 3", framework: "fastmcp", requirements: ["fastmcp==3.4.10"], eras: ["handshake"] },
  {
    name: "FastMCP 4",
    framework: "fastmcp",
    requirements: ["fastmcp==4.1.2"],
    eras: ["stateless", "handshake"],
  },
  {
    name: "MCPServer",
    framework: "mcpserver",
    requirements: ["mcp==2.3.0", "uvicorn"],
    eras: ["stateless", "handshake"],
  },
] as const;
export type Framework = (typeof frameworks)[number];

/** The interpreter of a framework's environment, made on first use. */
export async function pythonOf(kind: Framework): Promise<string> {
  return join(await environment(kind.requirements), "bin/python");
}

/** Folder of its own for one test file, short enough for socket paths. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "og-"));
}

/** A real Python server on a unix socket. */
export class PythonServer implements AsyncDisposable {
  readonly address: string;
  readonly folder: string;
  readonly child: ChildProcess;
  manifest!: Manifest;

  constructor(child: ChildProcess, folder: string, address: string) {
    this.child = child;
    this.folder = folder;
    this.address = address;
  }

  static async start(kind: Framework): Promise<PythonServer> {
    const python = await pythonOf(kind);
    const folder = temporaryFolder();
    const socket = join(folder, "s");
    const child = spawn(python, [join(import.meta.dirname, "server.py"), socket], {
      env: { ...process.env, FRAMEWORK: kind.framework },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const lines = createInterface(child.stdout!);
    for await (const line of lines) if (line === "ready") break;
    lines.close();
    child.stdout!.resume();
    const server = new PythonServer(child, folder, `unix:${socket}`);
    const pools = createPools();
    server.manifest = await discover(pools.at(server.address));
    await pools.close();
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "exit");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

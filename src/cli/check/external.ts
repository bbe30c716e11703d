import { type Line, line, notApplicable, type Scene } from "./line.ts";

/** The list for a server that runs elsewhere. */
const checks = [
  "Discovery shows the tools, resources and prompts that clients should see",
  "Representative capabilities answer through the endpoint",
  "A caller without access is refused by the gateway and does not reach the remote server",
  "The request records show forwarded calls with the client and the principal that made them",
  "The team that owns the remote server can look into its errors outside of Offing",
] as const;

export function checkExternal({ server }: Scene): Promise<Line[]> {
  const why =
    server.kind === "hosted"
      ? "the server is hosted here; this line is about servers that run elsewhere"
      : `nothing can be checked on a server of the kind "${server.kind}"`;
  return Promise.all(checks.map((check) => line("external", check, () => notApplicable(why))));
}

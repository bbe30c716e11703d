import type { Line, Scene } from "./line.ts";

/** The list for a server that runs elsewhere: its lines, and the one of the other list that looks at the same. */
const checks: readonly (readonly [check: string, same: string | null])[] = [
  [
    "Discovery shows the tools, resources and prompts that clients should see",
    "Clients list through the endpoint what the live build was found to offer",
  ],
  [
    "Representative capabilities answer through the endpoint",
    "Representative tools answer a call through the endpoint",
  ],
  [
    "A caller without access is refused by the gateway and does not reach the remote server",
    "Who has no role on the server is refused, and who may only see it may not call it",
  ],
  [
    "The request records show forwarded calls with the client and the principal that made them",
    "The request records show the calls with the client and the principal that made them",
  ],
  ["The team that owns the remote server can look into its errors outside of Offing", null],
];

/** Of a hosted server: no line of the other list has a subject. */
export function notExternal({ server }: Scene): Line[] {
  const detail =
    server.kind === "hosted"
      ? "the server is hosted here; this line is about servers that run elsewhere"
      : `nothing can be checked on a server of the kind "${server.kind}"`;
  return checks.map(([check]) => ({ list: "external", check, result: "not_applicable", detail, fix: null }));
}

/** Of a server that runs elsewhere: what was found stands in the lines that are about it. */
export function asExternal(found: readonly Line[]): Line[] {
  const hosted = found.map((line): Line => {
    const detail = "the server runs elsewhere; the lines for such servers stand below";
    return { ...line, result: "not_applicable", detail, fix: null };
  });
  const own = checks.map(([check, same]): Line => {
    const line = found.find((each) => each.check === same);
    if (line !== undefined) return { ...line, list: "external", check };
    const detail = "that lies outside of what Offing sees; ask the team";
    return { list: "external", check, result: "not_applicable", detail, fix: null };
  });
  return [...hosted, ...own];
}

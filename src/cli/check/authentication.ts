import { failed, type Line, line, notApplicable, passed, type Scene } from "./line.ts";

/** Nobody's key: it has not even the form of one. */
const WRONG = "off_not-a-key";

/** Who is asked to prove who they are. */
export async function checkAuthentication({ server }: Scene): Promise<Line[]> {
  const refused = (check: string, authorization: string | null) =>
    line("hosted", check, async () => {
      const { status, boundary } = await ask(server.endpoint, authorization);
      if (status === 401 && boundary === "authentication")
        return passed('answered 401 at the boundary "authentication", before any server code');
      return failed(
        `answered ${status}${boundary === null ? "" : ` at the boundary "${boundary}"`} instead of 401 at "authentication"`,
        `something between clients and Offing answers or adds a key: look at what stands at ${new URL(server.endpoint).origin}`,
      );
    });
  return [
    await refused("A request without a key is refused", null),
    await refused("A request with a key that nobody has is refused", `Bearer ${WRONG}`),
    await line("hosted", "Authentication is off only where the server's own code does it", () =>
      notApplicable("it cannot be turned off: every endpoint asks for a key"),
    ),
  ];
}

/** What any client would send first; it needs no session and no body that a server reads. */
async function ask(
  endpoint: string,
  authorization: string | null,
): Promise<{ status: number; boundary: string | null }> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(authorization === null ? {} : { authorization }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
    redirect: "manual",
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, boundary: boundaryIn(await response.text()) };
}

function boundaryIn(body: string): string | null {
  try {
    const answer = JSON.parse(body) as { error?: { data?: { boundary?: unknown } } };
    const boundary = answer.error?.data?.boundary;
    return typeof boundary === "string" ? boundary : null;
  } catch {
    return null;
  }
}

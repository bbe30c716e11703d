/** The URL of a deployment's MCP endpoint; `live` is the server's own. */
export function endpointUrl(
  publicUrl: string,
  organization: string,
  server: string,
  deployment: string,
): string {
  return `${baseUrl(publicUrl, organization, server, deployment)}/mcp`;
}

/** What every URL of a deployment begins with. */
export function baseUrl(publicUrl: string, organization: string, server: string, deployment: string): string {
  return `${publicUrl}/${organization}/${server}${deployment === "live" ? "" : `@${deployment}`}`;
}

import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";
import { viewVariables } from "./view.ts";

/** The names of the variables that a server's next build takes, with who set them and when. */
export async function listVariables(
  ctx: Context,
  input: { organization: string; server: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listVariables"]>> {
  const server = await loadServer(ctx, input, "edit");
  const after = decodeCursor(input.cursor, 1)?.[0];
  // A server has few, so that the page is cut here.
  const all = await viewVariables(ctx, server);
  const rest = after === undefined ? all : all.filter(({ name }) => name > after);
  return toPage(
    rest.slice(0, input.limit + 1),
    input.limit,
    (variable) => variable,
    ({ name }) => [name],
  );
}

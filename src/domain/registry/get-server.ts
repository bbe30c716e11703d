import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";
import { viewServers } from "./view.ts";

export async function getServer(
  ctx: Context,
  input: { organization: string; server: string },
): Promise<Output<Routes["getServer"]>> {
  const [view] = await viewServers(ctx, [await loadServer(ctx, input, "discover")]);
  return view!;
}

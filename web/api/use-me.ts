import { useRouteLoaderData } from "react-router";
import type { Me } from "./types.ts";

/** The route whose loader reads who is signed in; every page with the frame stands below it. */
export const frameRoute = "frame";

/** Who is signed in, and where. */
export function useMe(): Me {
  return useRouteLoaderData<Me>(frameRoute)!;
}

import type { Requirement } from "./requirement.ts";
import { statelessClient } from "./stateless-client.ts";

/** Every requirement, by area. */
export const requirements: readonly Requirement[] = [...statelessClient];

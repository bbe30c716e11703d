import { broken } from "./broken.ts";
import { handshake } from "./handshake.ts";
import { modern } from "./modern.ts";
import type { Package } from "./package.ts";
import { stdio } from "./stdio.ts";
import { unbounded } from "./unbounded.ts";

/** Every package of the run, in the order of the page. */
export const packages: readonly Package[] = [...modern, ...handshake, ...unbounded, ...stdio, ...broken];

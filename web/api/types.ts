import type { Output } from "../../src/contract/route.ts";
import type { Routes } from "../../src/contract/routes.ts";

export type Me = Output<Routes["me"]>;
export type Server = Output<Routes["getServer"]>;
export type Build = Output<Routes["getBuild"]>;
export type BuildStep = Build["steps"][number];
export type BuildFailure = NonNullable<Build["error"]>;
export type BuildLine = Extract<Output<Routes["followBuild"]>, { type: "line" }>;
export type Capability = Output<Routes["listCapabilities"]>["items"][number];
export type ServerLine = Output<Routes["followServerLines"]>;
export type RequestRow = Output<Routes["followRequests"]>;

/** One server, as the API's paths name it. */
export interface ServerAt {
  readonly organization: string;
  readonly server: string;
}

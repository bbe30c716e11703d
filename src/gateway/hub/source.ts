import type { JsonObject } from "../../mcp/envelope.ts";
import type { Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Leases } from "../exchange/leases.ts";
import type { GatewayLimits } from "../limits.ts";
import type { Credentials } from "../ports.ts";
import type { Filter } from "./filter.ts";

/** What sources stand on. */
export interface SourceServices {
  readonly leases: Leases;
  readonly credentials: Credentials;
  readonly limits: GatewayLimits;
  /** The upstream said that this list of its changed, so that what was discovered of it is out of date. */
  changed(endpoint: Endpoint): void;
}

/** Who is told what an upstream says. */
export interface Member {
  /** What it is to be told, in the upstream's own names. */
  readonly filter: Filter;
  /** A notification of the upstream that passes its filter, without the mark of the upstream's own stream. */
  tell(message: JsonObject): void;
}

/** Where messages of one upstream come from, for those who listen. */
export interface Source {
  /** Resolves when the upstream listens for it, or when it is clear that it does not for now. */
  join(member: Member): Promise<void>;
  /** A member's filter has changed. Resolves likewise. */
  refresh(): Promise<void>;
  leave(member: Member): void;
  /** What of a filter the upstream has agreed to. */
  granted(filter: Filter): Filter;
  /** Nobody is left. */
  readonly empty: boolean;
  close(): void;
}

/** For whom an upstream is asked. */
export interface Audience {
  readonly endpoint: Endpoint;
  readonly principal: Principal;
}

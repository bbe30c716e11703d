import type { Ground } from "./ground.ts";
import type { HeldSessions } from "./sessions/held-sessions.ts";
import type { Hub } from "./hub/hub.ts";
import type { Tallies } from "./admission/tally.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { UpstreamSessions } from "./sessions/upstream-sessions.ts";
import type { VirtualSessions } from "./sessions/virtual-sessions.ts";
import type { Withdrawals } from "./exchange/withdrawals.ts";

/** What every part of the gateway that carries messages stands on. */
export interface Services extends Ground {
  readonly heldSessions: HeldSessions;
  readonly upstreamSessions: UpstreamSessions;
  readonly virtualSessions: VirtualSessions;
  readonly hub: Hub;
  readonly tallies: Tallies;
  readonly tasks: Tasks;
  readonly withdrawals: Withdrawals;
}

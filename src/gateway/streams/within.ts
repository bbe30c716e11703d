import type { Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import { attempt, refuse } from "../attempt.ts";
import type { Conversation } from "../conversation.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Incoming, Outgoing } from "../http.ts";
import type { Tallies } from "../admission/tally.ts";
import type { Turn } from "../turn.ts";
import type { Within } from "./inner.ts";

/** The steps of the gateway that a message within another request goes through, too. */
export interface Steps {
  begin(req: Incoming, res: Outgoing): Exchange;
  converse(x: Exchange, endpoint: Endpoint, principal: Principal): void;
  readonly conversation: Conversation;
  readonly tallies: Tallies;
}

/** Serves messages that came within other requests; each is counted as a request of its caller. */
export function createWithin({ begin, converse, conversation, tallies }: Steps): Within {
  const turnOf = (outer: Turn, req: Incoming, res: Outgoing): Turn => {
    const x = begin(req, res);
    x.within(outer.x);
    return { ...outer, x };
  };
  return {
    post(outer, req, res, body) {
      const { x, endpoint, principal } = turnOf(outer, req, res);
      x.body = body;
      x.record.request_bytes = body.length;
      attempt(x, () => {
        tallies.enter(x, principal);
        converse(x, endpoint, principal);
      });
      return x;
    },
    get(outer, req, res) {
      const turn = turnOf(outer, req, res);
      turn.x.discard();
      attempt(turn.x, () => conversation.hear(turn));
    },
    end(outer, req, res) {
      const turn = turnOf(outer, req, res);
      turn.x.discard();
      conversation.end(turn).catch((error: unknown) => refuse(turn.x, error));
    },
  };
}

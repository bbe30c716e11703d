import { isObject, type JsonObject } from "../../mcp/envelope.ts";

/** What is sealed into a session id. Everything in it is fixed for the session's life. */
export interface SessionClaims {
  readonly v: 1;
  /** 130 random bits. */
  readonly sid: string;
  readonly organization: string;
  readonly endpoint: string;
  readonly principal: string;
  readonly revision: string;
  readonly client: { readonly name: string | null; readonly version: string | null };
  readonly capabilities: JsonObject;
  /** 24 hours after it began, in milliseconds since 1970: then it expires, unless it was used and that is published. */
  readonly expires: number;
  /** The id that an external upstream gave the session when it began; its own secret, never the client's. */
  readonly upstream?: string;
  /** The gateway subscribes for it in the stateless era, the only one in which its upstream tells updates of resources. */
  readonly listens?: true;
}

/** Whether an opened seal is a session's. */
export function isClaims(value: unknown): value is SessionClaims {
  return (
    isObject(value) &&
    value["v"] === 1 &&
    typeof value["sid"] === "string" &&
    typeof value["organization"] === "string" &&
    typeof value["endpoint"] === "string" &&
    typeof value["principal"] === "string" &&
    typeof value["revision"] === "string" &&
    typeof value["expires"] === "number" &&
    (value["upstream"] === undefined || typeof value["upstream"] === "string") &&
    isObject(value["client"]) &&
    isObject(value["capabilities"])
  );
}

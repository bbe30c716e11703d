import { write } from "../../src/domain/write.ts";
import type { Caller, World } from "../world.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every route
  readonly body: any;
}

/** The requests that a browser's pages send: a cookie jar and the headers that only browsers set. */
export interface Tab {
  /** The cookie as it would be sent; "" without one. */
  cookie: string;
  /** Every Set-Cookie line that was seen. */
  readonly set: string[];
  send(
    method: string,
    path: string,
    init?: { body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>;
  signIn(link: string): Promise<Answer>;
}

export function openTab(world: Pick<World, "url">): Tab {
  const tab: Tab = {
    cookie: "",
    set: [],
    async send(method, path, { body, headers } = {}) {
      const response = await fetch(`${world.url}${path}`, {
        method,
        headers: {
          "sec-fetch-site": "same-origin",
          ...(tab.cookie === "" ? {} : { cookie: tab.cookie }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      for (const line of response.headers.getSetCookie()) {
        tab.set.push(line);
        tab.cookie = line.includes("Max-Age=0") ? "" : line.split(";", 1)[0]!;
      }
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: parsed(text) };
    },
    signIn: (link) => tab.send("POST", "/api/v1/web-session", { body: { token: tokenOf(link) } }),
  };
  return tab;
}

export function tokenOf(link: string): string {
  return new URLSearchParams(new URL(link).hash.slice(1)).get("token")!;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function newLink(caller: Caller): Promise<string> {
  return (await caller.client.call("createSignInLink", { organization: caller.slug })).url;
}

/** A browser that is signed in as `caller`. */
export async function signedIn(world: Pick<World, "url">, caller: Caller): Promise<Tab> {
  const tab = openTab(world);
  const { status, text } = await tab.signIn(await newLink(caller));
  if (status !== 200) throw new Error(`the sign-in was refused: ${text}`);
  return tab;
}

/** As removing a member will do it: the membership goes, and the change log says so. */
export async function leave(world: World, member: Caller): Promise<void> {
  const ctx = world.system.context({ kind: "system", job: "test" });
  await write(ctx, member.organization, async ({ tx, change }) => {
    await tx.deleteFrom("memberships").where("user", "=", member.id).execute();
    await change("principal", member.id);
  });
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;
export const org = "/api/v1/organizations/default";

/** Who a tab is signed in as. */
export const me = (tab: Tab): Promise<Answer> => tab.send("GET", "/api/v1/me");

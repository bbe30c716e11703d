/** What a part of a server's page is called in its address. */
export const serverViews = ["capabilities", "requests", "log"] as const;
export type ServerView = (typeof serverViews)[number];

interface At {
  readonly organization: string;
  readonly server: string;
}

/** Every address of these pages, built in one place. Gateway and API have their own below `/{org}/{server}` and `/api`. */
export const paths = {
  servers: () => "/",
  signIn: () => "/sign-in",
  server: ({ organization, server }: At, shown: { view?: ServerView; build?: string | undefined } = {}) => {
    const query = new URLSearchParams();
    if (shown.view !== undefined && shown.view !== "capabilities") query.set("view", shown.view);
    if (shown.build !== undefined) query.set("build", shown.build);
    const text = query.size === 0 ? "" : `?${query}`;
    return `/o/${encodeURIComponent(organization)}/servers/${encodeURIComponent(server)}${text}`;
  },
} as const;

/** The token of a sign-in link, from its fragment: no server and no proxy sees that part of an address. */
export function linkToken(hash: string): string | undefined {
  return new URLSearchParams(hash.slice(1)).get("token") ?? undefined;
}

/** The part that an address asks for; the first one when it names none or none that is there. */
export function serverView(query: URLSearchParams): ServerView {
  const asked = query.get("view");
  return serverViews.find((view) => view === asked) ?? "capabilities";
}

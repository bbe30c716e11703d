/** First path segments that are not organizations: everything else at the root belongs to one. */
export const reservedOrganizations = [
  "api",
  "o",
  "assets",
  "static",
  "public",
  "mcp",
  "well-known",
  "auth",
  "oauth",
  "login",
  "logout",
  "signin",
  "sign-in",
  "signup",
  "setup",
  "device",
  "consent",
  "connect",
  "authorize",
  "token",
  "register",
  "admin",
  "health",
  "healthz",
  "metrics",
  "docs",
  "hooks",
  "git",
  "registry",
  "servers",
  "favicon",
  "robots",
  "www",
  "offing",
] as const;

const SLUG = /^[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]$|^[a-z0-9]$/;

/** 1 to 63 of a-z, 0-9 and single hyphens inside; `--` separates the parts of host names. */
export function isSlug(text: string): boolean {
  return SLUG.test(text);
}

/** The nearest slug to a name such as a repository's; undefined when nothing is left of it. */
export function toSlug(name: string): string | undefined {
  const slug = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  return isSlug(slug) ? slug : undefined;
}

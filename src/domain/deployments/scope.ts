/**
 * The branch that a build of this ref is of; null for a tag, a commit or none. Any other ref, such as
 * `refs/pull/7/head`, counts as a branch that is named by what follows `refs/`.
 */
export function branchOf(ref: string | null): string | null {
  if (ref === null || !ref.startsWith("refs/") || ref.startsWith("refs/tags/")) return null;
  return isHead(ref) ? ref.slice("refs/heads/".length) : ref.slice("refs/".length);
}

/**
 * Whether a build of this ref is a preview: it is of a branch, and not of the server's default one. The first
 * branch that a server is deployed from becomes its default branch. What lies beside the branches, a pull request's
 * code above all, is a preview always: nobody has taken it yet.
 */
export function isPreview(ref: string | null, defaultBranch: string | null): boolean {
  const branch = branchOf(ref);
  if (ref === null || branch === null) return false;
  return !isHead(ref) || (defaultBranch !== null && branch !== defaultBranch);
}

function isHead(ref: string): boolean {
  return ref.startsWith("refs/heads/");
}

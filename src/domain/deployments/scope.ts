/**
 * Whether a build of this branch is a preview: it is of a branch, and not of the server's default one. The first
 * branch that a server is deployed from becomes its default branch.
 */
export function isPreview(branch: string | null, defaultBranch: string | null): branch is string {
  return branch !== null && defaultBranch !== null && branch !== defaultBranch;
}

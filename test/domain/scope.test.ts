import { describe, expect, it } from "vitest";
import { branchOf, isPreview } from "../../src/domain/deployments/scope.ts";

describe("what a build of a ref is", () => {
  it.each([
    ["refs/heads/main", "main", "main", false],
    ["refs/heads/feature/x", "main", "feature/x", true],
    ["refs/heads/main", null, "main", false],
    ["refs/tags/v1", "main", null, false],
    [null, "main", null, false],
    ["refs/pull/7/head", "main", "pull/7/head", true],
    ["refs/merge-requests/7/head", "main", "merge-requests/7/head", true],
    // Also where it is the first of its server, and where a branch has its name.
    ["refs/pull/7/head", null, "pull/7/head", true],
    ["refs/pull/7/head", "pull/7/head", "pull/7/head", true],
    ["refs/tagsoup", "main", "tagsoup", true],
  ])("%s, with the default branch %s: branch %s, preview %s", (ref, defaultBranch, branch, preview) => {
    expect(branchOf(ref)).toBe(branch);
    expect(isPreview(ref, defaultBranch)).toBe(preview);
  });
});

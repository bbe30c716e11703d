import { tmpdir } from "node:os";
import { join } from "node:path";

/** Shared by all tests of this machine and user: tools and wheels, so that a run fetches them once. */
export const testCache =
  process.env["OFFING_TEST_CACHE"] ?? join(tmpdir(), `offing-test-cache-${process.getuid?.()}`);

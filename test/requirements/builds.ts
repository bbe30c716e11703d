import type { Requirement } from "./requirement.ts";

const section = "builds: package indexes";
const test = "test/build/index-faults.test.ts";
const file = "src/build/install/again.ts";

/** What a build does when a package index fails for a moment. */
export const builds: readonly Requirement[] = [
  {
    id: "builds.lagging-index",
    behaviour:
      "An installation whose index lacks for a moment what the resolution chose is repeated, past what uv's cache says.",
    section,
    break: {
      file,
      from: "    for (const name of lacked) refresh.add(name);",
      to: "",
      test,
    },
  },
  {
    id: "builds.again-bounded",
    behaviour: "What an index goes on lacking is asked for three times more, and the failure names it.",
    section,
    break: {
      file,
      from: "const PAUSES = [2_000, 5_000, 10_000] as const;",
      to: "const PAUSES = [2_000, 5_000, 10_000, 10_000] as const;",
      test,
    },
  },
  {
    id: "builds.index-unwell",
    behaviour:
      "An index that does not answer for longer than uv waits is asked again after a pause, and the log says so.",
    section,
    break: { file, from: "const MOST_UNANSWERED = 2;", to: "const MOST_UNANSWERED = 0;", test },
  },
  {
    id: "builds.failed-once",
    behaviour: "A package whose build fails is built once, whatever its back-end says.",
    section,
    break: {
      file,
      from: "const BUILD_FAILED = /build backend|Call to `/;",
      to: "const BUILD_FAILED = /^$/;",
      test,
    },
  },
];

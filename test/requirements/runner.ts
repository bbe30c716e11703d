import type { Requirement } from "./requirement.ts";

/** What holds of instances in the weaker layers. */
export const runner: readonly Requirement[] = [
  {
    id: "runner.own-port",
    behaviour: "An instance that has the machine's own network can share no port of the platform's.",
    section: "gateway processes: one port",
    break: {
      file: "src/runner/layers/probe.ts",
      from: "      seccomp: program(true),",
      to: "      seccomp: program(false),",
      test: "test/runner/isolation.test.ts",
    },
  },
];

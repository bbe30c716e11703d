import { appendFileSync } from "node:fs";
import { describe } from "vitest";

/** A suite that needs something of the machine; where that is missing, the run says so at its end. */
export function describeIf(available: boolean, reason: string): (name: string, suite: () => void) => void {
  return (name, suite) => {
    const file = process.env["OFFING_TEST_MISSING"];
    if (!available && file !== undefined) appendFileSync(file, `${name}: ${reason}\n`);
    describe.runIf(available)(name, suite);
  };
}

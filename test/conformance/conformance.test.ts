import { afterAll, beforeAll, expect, test } from "vitest";
import { startGateway } from "./gateway.ts";
import { carryOut, clientScenarios, runs } from "./runs.ts";
import { failed, type Outcome, scoredScenarios } from "./suite.ts";

/** A run takes some twenty seconds; this is when it counts as hanging. */
const PATIENCE_MS = 240_000;

/** What a run must be: nothing failed unexpectedly, nothing expected failed to fail, each scored scenario showed something. */
const good = { surprises: [], stale: [], missing: [], direct: [] };

const shows = ({ checks }: Outcome) => checks.some(({ status }) => status === "SUCCESS");

let gateway: Awaited<ReturnType<typeof startGateway>>;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

async function outcomeOf(name: string) {
  const plan = runs.find((each) => each.name === name)!;
  const { through, direct, verdict } = await carryOut(plan, gateway.access);
  const { revision, upstream } = plan;
  const wanted = upstream === null ? clientScenarios(revision) : scoredScenarios(revision, "server");
  const shown = new Set(through.filter(shows).map(({ scenario }) => scenario));
  return {
    ...verdict,
    missing: wanted.filter((scenario) => !shown.has(scenario)),
    direct: (direct ?? []).flatMap(failed),
  };
}

test(
  "A modern server conforms to 2026-07-28 through the gateway, tasks included [R:conformance.modern-2026-07-28]",
  async () => expect(await outcomeOf("modern-2026-07-28")).toEqual(good),
  PATIENCE_MS,
);

test(
  "A modern server conforms to 2025-11-25 through the gateway, which it does not speak [R:conformance.modern-2025-11-25]",
  async () => expect(await outcomeOf("modern-2025-11-25")).toEqual(good),
  PATIENCE_MS,
);

test(
  "A handshake server conforms to 2025-11-25 through the gateway [R:conformance.legacy-2025-11-25]",
  async () => expect(await outcomeOf("legacy-2025-11-25")).toEqual(good),
  PATIENCE_MS,
);

test(
  "A handshake server conforms to 2026-07-28 through the gateway, save what it cannot express [R:conformance.legacy-2026-07-28]",
  async () => expect(await outcomeOf("legacy-2026-07-28")).toEqual(good),
  PATIENCE_MS,
);

test(
  "The gateway speaks to stateless servers as a client of 2026-07-28 does [R:conformance.client-2026-07-28]",
  async () => expect(await outcomeOf("client-2026-07-28")).toEqual(good),
  PATIENCE_MS,
);

test(
  "The gateway speaks to handshake servers as a client of 2025-11-25 does [R:conformance.client-2025-11-25]",
  async () => expect(await outcomeOf("client-2025-11-25")).toEqual(good),
  PATIENCE_MS,
);

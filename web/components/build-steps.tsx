import type { Build, BuildStep } from "../api/types.ts";
import { isOver } from "../api/use-build-log.ts";
import { duration } from "../format.ts";
import { type Tone, toneText } from "../ui/badge.tsx";
import { Icon, type IconName } from "../ui/icon.tsx";
import { Running } from "../ui/moment.tsx";

/** The steps of a build, in order. */
const steps = ["source", "plan", "install", "package", "inspect", "select"] as const;

type State = "waiting" | "running" | "succeeded" | "failed" | "stopped";

const looks: Record<State, { word: string; tone: Tone; icon: IconName; bar: string }> = {
  waiting: { word: "not begun", tone: "plain", icon: "circle", bar: "bg-line" },
  running: { word: "running", tone: "busy", icon: "turning", bar: "bg-busy/25" },
  succeeded: { word: "done", tone: "good", icon: "check", bar: "bg-good" },
  failed: { word: "failed", tone: "bad", icon: "cross", bar: "bg-bad" },
  stopped: { word: "stopped", tone: "plain", icon: "stop", bar: "bg-edge" },
};

/** A build as a line of steps: which are done and how long each took, what was reused, where it stands. */
export function BuildSteps({ build }: { build: Build }) {
  return (
    <ol aria-label="Steps" className="grid grid-cols-3 gap-x-1 gap-y-3 sm:grid-cols-6">
      {steps.map((name) => {
        const step = build.steps.find((each) => each.step === name);
        return <Step key={name} name={name} step={step} state={stateOf(build, step)} />;
      })}
    </ol>
  );
}

function Step({ name, step, state }: { name: string; step: BuildStep | undefined; state: State }) {
  const { word, tone, icon, bar } = looks[state];
  return (
    <li className="min-w-0" data-step={name} data-state={state}>
      <div className={`relative h-1 overflow-hidden rounded-full ${bar}`}>
        {state === "running" ? (
          <div className="absolute inset-y-0 left-0 w-1/3 animate-sweep rounded-full bg-busy" />
        ) : null}
      </div>
      <div className="mt-1.5 flex items-center gap-1">
        <Icon name={icon} className={`size-3.5 ${toneText[tone]}`} />
        <span className={`text-sm font-medium ${state === "waiting" ? "text-faint" : ""}`}>{name}</span>
        <span className="sr-only">: {word}</span>
      </div>
      <p className="flex min-h-4.5 flex-wrap items-center gap-x-1.5 pl-4.5 text-xs whitespace-nowrap text-faint tabular-nums">
        {state === "running" && step ? <Running since={step.startedAt} /> : null}
        {step?.durationMs == null ? null : duration(step.durationMs)}
        {step?.reused ? (
          <span className="inline-flex items-center gap-0.5 text-accent" title="Taken from an earlier build">
            <Icon name="reuse" className="size-3" />
            reused
          </span>
        ) : null}
      </p>
    </li>
  );
}

function stateOf(build: Build, step: BuildStep | undefined): State {
  if (step === undefined) return "waiting";
  // What a build was doing when it was ended did not end by itself.
  return step.status === "running" && isOver(build) ? "stopped" : step.status;
}

/** What a build is doing, in words for those who hear the page. */
export function progressOf(build: Build): string {
  const running = build.steps.findLast((step) => step.status === "running");
  switch (build.status) {
    case "queued":
      return "The build waits to begin.";
    case "building":
      return running === undefined ? "The build has begun." : `Building: ${running.step}.`;
    case "succeeded":
      return "The build succeeded.";
    case "failed":
      return `The build failed${build.error ? ` at ${build.error.step}: ${build.error.message}` : ""}.`;
    case "canceled":
      return "The build was canceled.";
  }
}

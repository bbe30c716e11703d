import type { Build, BuildFailure as Failure, Server } from "../api/types.ts";
import { Prose } from "../ui/code.tsx";
import { CopyButton } from "../ui/copy-button.tsx";
import { Icon } from "../ui/icon.tsx";

/** Why a build failed, where in the code, and what to change: before anything else is read. */
export function BuildFailure({ server, build, error }: { server: Server; build: Build; error: Failure }) {
  const live = server.deployments.find(({ slug }) => slug === "live");
  return (
    <div
      role="group"
      aria-label="Why the build failed"
      className="border-b border-bad/25 bg-bad-wash px-4 py-3"
    >
      <p className="text-xs font-medium text-bad">
        Failed at {error.step} <span className="sr-only">, code </span>
        <code className="ml-1 font-normal">{error.code}</code>
      </p>
      <p className="mt-0.5 text-lg font-semibold break-words whitespace-pre-line">{error.message}</p>
      {error.hint === null ? null : (
        <p className="mt-1.5 flex gap-1.5">
          <Icon name="right" className="mt-0.5 text-bad" />
          <span className="min-w-0 break-words whitespace-pre-line">
            <span className="sr-only">What to do: </span>
            <Prose copy>{error.hint}</Prose>
          </span>
        </p>
      )}
      {error.traceback === null ? null : <Traceback text={error.traceback} />}
      {live === undefined || live.build === build.id ? null : (
        <p className="mt-2 text-sm text-soft">What was live before this build serves still.</p>
      )}
    </div>
  );
}

function Traceback({ text }: { text: string }) {
  return (
    <div className="relative mt-2.5 rounded-lg border border-line bg-surface">
      <CopyButton text={text} what="the traceback" className="absolute top-1.5 right-1.5 bg-surface" />
      <pre
        // A box that scrolls is reached by the keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        aria-label="Traceback"
        role="region"
        className="max-h-60 overflow-auto px-3 py-2 pr-10 text-sm leading-5"
      >
        {text}
      </pre>
    </div>
  );
}

import { tell } from "../api/problem.ts";
import type { Following } from "../api/use-stream.ts";
import { Prose } from "../ui/code.tsx";

/** Says when what is followed does not come; silent while it does. */
export function FollowingNote({ following }: { following: Following }) {
  if (following.state === "again")
    return (
      <p role="status" className="px-4 py-1 text-sm text-warn">
        The connection broke; taking it up again…
      </p>
    );
  if (following.state !== "failed") return null;
  const { detail, hint } = tell(following.error);
  return (
    <p role="alert" className="px-4 py-1 text-sm text-bad">
      <Prose>{hint === undefined ? detail : `${detail} ${hint}`}</Prose>
    </p>
  );
}

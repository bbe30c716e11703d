import { tell } from "../api/problem.ts";
import { clock } from "../format.ts";
import { Prose } from "../ui/code.tsx";
import { Notice } from "../ui/notice.tsx";

/** What is shown could not be read anew: since when it may be wrong. */
export function Stale({ error, since }: { error: unknown; since: number }) {
  return (
    <div role="status" className={error ? "mb-4" : ""}>
      {error ? <StaleNotice error={error} since={since} /> : null}
    </div>
  );
}

function StaleNotice({ error, since }: { error: unknown; since: number }) {
  const { detail, hint } = tell(error);
  return (
    <Notice tone="warn" title={<Prose>{detail}</Prose>}>
      <p className="text-soft">
        This is how it was at {clock(new Date(since).toISOString()).slice(0, 8)}.{" "}
        {hint === undefined ? null : <Prose>{hint}</Prose>}
      </p>
    </Notice>
  );
}

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Capability, Server, ServerAt } from "../api/types.ts";
import { tell } from "../api/problem.ts";
import { buildQuery, capabilitiesQuery } from "../api/queries.ts";
import { type Argument, argumentsOf } from "../schema.ts";
import { Button } from "../ui/button.tsx";
import { Command, Prose } from "../ui/code.tsx";
import { Empty, Loading } from "../ui/empty.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice } from "../ui/notice.tsx";
import { Arguments } from "./arguments.tsx";

const kinds = [
  { kind: "tool", title: "Tools" },
  { kind: "prompt", title: "Prompts" },
  { kind: "resource", title: "Resources" },
  { kind: "resource_template", title: "Resource templates" },
] as const satisfies { kind: Capability["kind"]; title: string }[];

/** So many are shown open. */
const FEW = 4;

/** What the live deployment offers to clients: every tool, prompt and resource with what it takes. */
export function Capabilities({
  at,
  server,
  shown,
}: {
  at: ServerAt;
  server: Server;
  /** The build whose warnings stand on the page already. */
  shown: string | undefined;
}) {
  const live = server.deployments.find(({ slug }) => slug === "live");
  if (server.external !== null)
    return <Live at={at} artifact={server.external.refreshedAt} build={null} warned />;
  if (live === undefined)
    return (
      <Empty title="Nothing is live yet">
        <p>
          What this server offers is discovered when a build starts it, and shown here once one has succeeded.
        </p>
      </Empty>
    );
  return <Live at={at} artifact={live.artifact} build={live.build} warned={live.build === shown} />;
}

function Live({
  at,
  artifact,
  build,
  warned,
}: {
  at: ServerAt;
  artifact: string;
  /** Null: it runs elsewhere. */
  build: string | null;
  warned: boolean;
}) {
  const { data, error } = useQuery(capabilitiesQuery(at, artifact));
  const [open, setOpen] = useState<boolean | null>(null);
  if (error && data === undefined) return <Problem error={error} />;
  if (data === undefined) return <Loading what="what it offers" />;
  if (data.items.length === 0) {
    return build === null ? (
      <Empty title="It offers nothing">
        <p>The server named no tools, prompts or resources when it was last asked.</p>
      </Empty>
    ) : (
      <OffersNothing at={at} build={build} warned={warned} />
    );
  }
  const all = open ?? data.items.length <= FEW;
  return (
    <div className="px-4 pt-3 pb-4">
      {kinds.map(({ kind, title }, index) => {
        const items = data.items.filter((item) => item.kind === kind);
        if (items.length === 0) return null;
        const first = kinds
          .slice(0, index)
          .every((other) => !data.items.some((item) => item.kind === other.kind));
        return (
          <section key={kind} aria-label={title} className="not-first:mt-5">
            <div className="mb-1.5 flex h-7 items-center gap-2">
              <h3 className="text-sm font-semibold text-soft">
                {title} <span className="font-normal text-faint tabular-nums">{items.length}</span>
              </h3>
              {first ? (
                <Button kind="quiet" className="-mr-2 ml-auto" onClick={() => setOpen(!all)}>
                  {all ? "Close all" : "Open all"}
                </Button>
              ) : null}
            </div>
            <ul className="divide-y divide-line rounded-lg border border-line">
              {items.map((item) => (
                <Item key={`${item.name}:${String(all)}`} item={item} open={all} />
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function Item({ item, open }: { item: Capability; open: boolean }) {
  const { definition } = item;
  const taken = argumentsOfItem(item);
  const title = typeof definition["title"] === "string" ? definition["title"] : undefined;
  const mime = typeof definition["mimeType"] === "string" ? definition["mimeType"] : undefined;
  const first = item.description?.trim().split("\n")[0] ?? "";
  return (
    <li>
      <details open={open} className="group">
        <summary className="flex list-none items-baseline gap-2 px-3 py-2 hover:bg-hover [&::-webkit-details-marker]:hidden">
          <Icon
            name="right"
            className="size-3.5 translate-y-0.5 text-faint transition-transform group-open:rotate-90"
          />
          <span className="max-w-[60%] break-words">
            <code className="font-semibold">{item.name}</code>
            {taken === null ? null : <code className="text-faint">({signature(taken)})</code>}
          </span>
          {mime === undefined ? null : <span className="shrink-0 text-xs text-faint">{mime}</span>}
          <span className="min-w-0 flex-1 truncate text-sm text-faint group-open:invisible max-sm:hidden">
            {first}
          </span>
        </summary>
        <div className="flex flex-col gap-2.5 px-3 pb-3 sm:pl-8.5">
          {title === undefined || saysNoMore(title, item.name) ? null : (
            <p className="font-medium">{title}</p>
          )}
          <p
            className={`max-w-3xl break-words whitespace-pre-line ${item.description ? "text-soft" : "text-faint"}`}
          >
            {item.description?.trim() || "It has no description: models will not know when to use it."}
          </p>
          {taken === null ? null : <Arguments of={item.name} rows={taken} />}
        </div>
      </details>
    </li>
  );
}

/** Whether a title is but its name written for people: `Plan trip` of `plan_trip`. */
function saysNoMore(title: string, name: string): boolean {
  const bare = (text: string) => text.toLowerCase().replace(/[\W_]/g, "");
  return bare(title) === bare(name);
}

/** The arguments' names, those that may be left out with a question mark. */
function signature(taken: readonly Argument[]): string {
  const names = taken.filter(({ name }) => !name.includes("."));
  const few = names.slice(0, 6).map(({ name, required }) => (required ? name : `${name}?`));
  return [...few, ...(names.length > few.length ? ["…"] : [])].join(", ");
}

/** What a capability takes; null for what takes nothing by its nature. */
function argumentsOfItem({ kind, definition }: Capability) {
  if (kind === "tool") return argumentsOf(definition["inputSchema"]);
  if (kind !== "prompt") return null;
  const given = Array.isArray(definition["arguments"])
    ? (definition["arguments"] as Record<string, unknown>[])
    : [];
  return given.map(({ name, description, required }) => ({
    name: String(name),
    type: "string",
    required: required === true,
    description: typeof description === "string" ? description : "",
    fallback: null,
  }));
}

function OffersNothing({ at, build, warned }: { at: ServerAt; build: string; warned: boolean }) {
  const { data } = useQuery(buildQuery(at, build));
  return (
    <Empty title="The server runs, but offers nothing: no tools, prompts or resources">
      {warned
        ? null
        : data?.warnings.map((warning) => (
            <p key={warning}>
              <Prose>{warning}</Prose>
            </p>
          ))}
      <p>What its endpoint itself answers:</p>
      <Command>{`./offing tools ${at.server}`}</Command>
    </Empty>
  );
}

function Problem({ error }: { error: unknown }) {
  const { title, detail, hint } = tell(error);
  return (
    <div className="p-4">
      <Notice tone="bad" title={title}>
        <p className="text-soft">
          <Prose>{hint === undefined ? detail : `${detail} ${hint}`}</Prose>
        </p>
      </Notice>
    </div>
  );
}

import type { Trial } from "./trial.ts";

/** What a run was made on and how long it took, for the page's head. */
export interface Circumstances {
  /** ISO date. */
  readonly date: string;
  readonly node: string;
  readonly python: string;
  readonly minutes: number;
  /** Folders and hosts of this machine, and the word that stands for each. */
  readonly private: readonly (readonly [text: string, word: string])[];
}

/** The page docs/compatibility.md. */
export function documentOf(trials: readonly Trial[], at: Circumstances): string {
  const clean = (text: string): string =>
    at.private
      .reduce((all, [secret, word]) => all.replaceAll(secret, word), text)
      .replaceAll("`", "'")
      .replaceAll("|", "\\|")
      .replace(/\s+/g, " ")
      .trim();
  const serving = trials.filter(({ met, pack }) => met && pack.expected.outcome === "serves");
  const refused = trials.filter(({ met, pack }) => met && pack.expected.outcome === "error");
  const differ = trials.filter(({ met }) => !met);
  const authors = new Set(trials.map(({ pack }) => pack.by)).size;
  return `${[
    "# Compatibility",
    "",
    "Public MCP servers by other people, taken from their source distributions on PyPI, unmodified, each made a Git",
    "repository of its own and deployed as a user would: `./offing deploy FOLDER --server NAME`. What serves is listed",
    "and called by two clients: one of the handshake era (TypeScript SDK 1.x) and one of the stateless era (SDK 2.x,",
    "held to 2026-07-28). The packages, their hashes, the calls and the outcome that each must have are in",
    "`scripts/compatibility/packages.ts`.",
    "",
    `**${trials.length} packages by ${authors} authors: ${serving.length} serve a call in both eras, ${refused.length} end in the error that their author needs, ${differ.length} do neither.**`,
    "",
    `Written by the run on ${at.date}: Node ${at.node}, Python ${at.python} as this machine's default, ${at.minutes} minutes.`,
    "Repeat it with `npm run compatibility`, one package with `npm run compatibility -- --only NAME`. It needs the",
    "machine's package index and no other place; wheels and archives are kept for the next run. Its exit code is 1 when",
    "an outcome differs from the expected one.",
    "",
    "| Package | About it | Taken for | Dependencies | Outcome | Push to live |",
    "| --- | --- | --- | --- | --- | ---: |",
    ...trials.map((trial) => {
      const { pack, seconds } = trial;
      const cells = [
        `${pack.name} ${pack.version}`,
        `${pack.about} (${pack.by})`,
        trial.found ?? "",
        dependenciesOf(trial),
        outcomeOf(trial),
        seconds === null ? "" : `${seconds.toFixed(1)} s`,
      ];
      return `| ${cells.map(clean).join(" | ")} |`;
    }),
    "",
    ...errors(trials, clean),
    ...differences(differ, clean),
  ].join("\n")}\n`;
}

/** The file, as the build log names it; what was done with it is the same for all. */
function dependenciesOf({ dependencies }: Trial): string {
  const file = /^dependencies come from ([^,;]+)/.exec(dependencies ?? "")?.[1];
  return file?.replace(/ as locked$/, "") ?? dependencies ?? "";
}

function outcomeOf({ pack, met, tools, error }: Trial): string {
  if (!met) return "**differs**, see below";
  if (pack.expected.outcome === "error") return `refused: ${error?.code ?? ""}, see below`;
  const { calls, away } = pack.expected;
  const names = calls.map(({ tool }) => tool).join(", ");
  const parts = [
    `serves ${tools ?? 0} capabilities`,
    away === undefined ? `${names} answered` : `${names} answered with its own error, as it needs ${away}`,
    ...(pack.flags === undefined ? [] : [`deployed with ${pack.flags.join(" ")}`]),
    ...(pack.needs === undefined ? [] : [`with ${Object.keys(pack.needs.variables).join(", ")} set`]),
    ...(pack.needs?.without ? [`before that refused with ${error?.code ?? ""}, see below`] : []),
  ];
  return parts.join("; ");
}

function errors(trials: readonly Trial[], clean: (text: string) => string): string[] {
  const failed = trials.filter(({ met, error }) => met && error !== null);
  if (failed.length === 0) return [];
  return [
    "## What the authors are told",
    "",
    ...failed.flatMap(({ pack, error }) => [
      `**${pack.name}**, ${clean(`step ${error!.step}, ${error!.code}`)}`,
      "",
      ...quoted([error!.message, lastWords(error!.traceback), error!.hint ?? ""].map(clean)),
      "",
    ]),
  ];
}

/** Paragraphs of a quotation. */
function quoted(paragraphs: readonly string[]): string[] {
  return paragraphs
    .filter((text) => text !== "")
    .flatMap((text, index) => (index === 0 ? [`> ${text}`] : [">", `> ${text}`]));
}

/** The line of a traceback that says what happened. */
function lastWords(traceback: string | null): string {
  return traceback?.trim().split("\n").at(-1) ?? "";
}

function differences(trials: readonly Trial[], clean: (text: string) => string): string[] {
  if (trials.length === 0) return [];
  return [
    "## What differs",
    "",
    ...trials.map(({ pack, differs }) => `- **${pack.name}**: ${clean(differs.join("; "))}`),
    "",
  ];
}

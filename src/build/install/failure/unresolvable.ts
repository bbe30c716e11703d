import { requirementName } from "../../plan/requirements.ts";
import type { Explained, Said } from "./explained.ts";
import { nearName, placesOf } from "./names.ts";

/** Requirements that no set of versions satisfies; null where uv says something else. */
export function explainUnresolvable(said: Said): Explained | null {
  const { text, causes, origins } = said;
  if (!/No solution found|unsatisfiable|not found in the package registry/i.test(text)) return null;
  const cause = causes.find((one) => /^Because\b/.test(one)) ?? causes.at(-1) ?? said.first;
  const missing =
    /(?<![\w.-])([A-Za-z0-9][\w.-]{0,200})(?:\[[^\]]{0,200}\])? was not found in (?:the package registry|the provided package locations)/.exec(
      cause,
    )?.[1];
  if (missing !== undefined) return notFound(missing, said);
  const version =
    /(?:there is no version of|there are no versions of) ([A-Za-z0-9][\w.-]{0,200})(\[[^\]]{0,200}\])?([^\s,]{0,200})/.exec(
      cause,
    );
  if (version?.[1] !== undefined) {
    const [, name = "", , range = ""] = version;
    const place = placesOf(name, origins);
    return {
      code: "dependencies_unresolvable",
      message: `There is no version ${range} of ${name} that Python ${said.python} can use${place ? `: ${place}` : ""}.`,
      hint: `Look at the versions that ${name} has (python3 -m pip index versions ${name}), and change ${place || "the requirement"}.`,
    };
  }
  const yanked =
    /(?<![\w.-])([A-Za-z0-9][\w.-]{0,200})==([^\s]{1,60}) was yanked(?: \(reason: ([^)]{1,300})\))?/.exec(
      cause,
    );
  if (yanked !== null) {
    const [, name = "", release = "", why] = yanked;
    const place = placesOf(name, origins);
    return {
      code: "dependency_yanked",
      message: `Its authors took ${name} ${release} back${why === undefined ? "" : ` (${why})`}, and nothing else fits${place ? `: ${place}` : ""}.`,
      hint: `Ask for another release in ${place || "the requirement"}; ${name}==${release} itself is still to be had where it is named exactly.`,
    };
  }
  const python = pythonExcluded(cause, said);
  if (python) return python;
  const platform = onlyElsewhere(said);
  if (platform) return platform;
  return conflict(cause, said);
}

function notFound(name: string, { origins }: Said): Explained {
  const place = placesOf(name, origins);
  const near = nearName(name);
  return {
    code: "dependency_not_found",
    message: `The package index has no package ${name}${place ? `: ${place}` : ""}.`,
    hint:
      near === null
        ? `Check the name of ${name}; a package on an index of your own needs --extra-index-url in requirements.txt.`
        : `Did you mean ${near}? Change ${place || name} to ${near}.`,
  };
}

/** A pinned release that supports other Pythons only. */
function pythonExcluded(cause: string, { origins, python }: Said): Explained | null {
  const found =
    /(?<![\w.-])([A-Za-z0-9][\w.-]{0,200}(?:\[[^\]]{0,200}\])?[<>=!~][^\s]{0,200}) depends on Python([<>=!~][^\s]{1,60}?)(?:,? and |, we|\.? |$)/.exec(
      cause,
    );
  const [, requirement = "", range = ""] = found ?? [];
  if (found === null) return null;
  const place = placesOf(requirementName(requirement) ?? "", origins);
  return {
    code: "python_incompatible",
    message: `${requirement} needs Python ${range}, and this build uses Python ${python}.`,
    hint: `Write requires-python = "${range}" into pyproject.toml, or a version of it into .python-version; or allow another release in ${place || "the requirement"}.`,
  };
}

/** A package for another operating system, or without a wheel for this Python, and without a source. */
function onlyElsewhere({ causes, hints, origins, python }: Said): Explained | null {
  const text = [...causes, ...hints].join("\n");
  const platform =
    /Wheels are available for `([^`]{1,200})` \(`?v?([^`)]{0,60})`?\) on the following platforms?: ([^\n]{1,400})/.exec(
      text,
    );
  if (platform) {
    const [, name = "", , platforms = ""] = platform;
    const windows = !/linux/.test(platforms) && /win/.test(platforms);
    const mac = !/linux|win/.test(platforms) && /macosx/.test(platforms);
    const place = placesOf(name, origins);
    const only = windows ? "Windows" : mac ? "macOS" : platforms.replaceAll("`", "");
    const marker = windows ? "win32" : "darwin";
    return {
      code: "dependency_platform",
      message: `${name} has no release for Linux, only for ${only}${place ? `: ${place}` : ""}.`,
      hint:
        windows || mac
          ? `Where only ${only} needs it, write: ${name} ; sys_platform == "${marker}"; else take the line out.`
          : `Take it out, or mark it for the systems it runs on.`,
    };
  }
  const abi =
    /only found wheels for `([^`]{1,200})` \(v?([^)]{0,60})\) with the following Python ABI tags?: ([^\n]{1,400})/.exec(
      text,
    );
  if (abi === null) return null;
  const [, name = "", version = "", tags = ""] = abi;
  const versions = [...tags.matchAll(/cp3(\d{1,2})/g)].map((match) => `3.${match[1]}`);
  const newest = versions.at(-1);
  const place = placesOf(name, origins);
  return {
    code: "wheel_missing",
    message: `${name} ${version} has no wheel for Python ${python}, only for ${[...new Set(versions)].join(", ") || tags}.`,
    hint: `Write ${newest ?? "one of these"} into .python-version, or allow a newer ${name} in ${place || "the requirement"}.`,
  };
}

/** Distributions that a conflict is told of. */
const MOST_NAMES = 20;

/** Two requirements that exclude each other, with their lines. */
function conflict(cause: string, { origins }: Said): Explained {
  const required =
    /you require ((?:(?!you require)[^.]|\.(?=\S)){1,600}?), we can conclude that your requirements are unsatisfiable/.exec(
      cause,
    )?.[1];
  const direct = [
    ...cause.matchAll(
      /you require ([A-Za-z0-9][^\s,]*(?:,[<>=!~][^\s,]*)*)(?: and ([A-Za-z0-9][^\s,]*(?:,[<>=!~][^\s,]*)*))?/g,
    ),
  ]
    .flatMap((match) => [match[1], match[2]])
    .filter((one) => one !== undefined && !/^(?:we|you|that|because)$/i.test(one));
  const names = [
    ...new Set(
      [...(required?.split(/ and |, /) ?? []), ...direct]
        .map((one) => requirementName(one ?? ""))
        .filter((one) => one !== undefined),
    ),
  ].slice(0, MOST_NAMES);
  const needs = [
    ...cause.matchAll(
      /(?<!\S)([A-Za-z0-9][^\s,]*(?:,[<>=!~][^\s,]*)*) depends on ([A-Za-z0-9][^\s,]*(?:,[<>=!~][^\s,]*)*)/g,
    ),
  ].filter(
    (match) =>
      names.includes(requirementName(match[1] ?? "") ?? "") ||
      names.includes(requirementName(match[2] ?? "") ?? ""),
  );
  const last =
    needs.findLast((match) => names.includes(requirementName(match[2] ?? "") ?? "")) ?? needs.at(-1);
  const places = names.map((name) => placesOf(name, origins)).filter((place) => place !== "");
  const both = places.join(" and ");
  const message =
    last === undefined && both !== ""
      ? `Requirements exclude each other: ${both}.`
      : last === undefined
        ? cause.length > 400
          ? `The requirements exclude each other: ${places.join(" and ") || names.join(" and ")}.`
          : cause
        : `${last[1]} depends on ${last[2]}, which the other requirements exclude: ${places.join(" and ") || names.join(" and ")}.`;
  return {
    code: "dependencies_unresolvable",
    message,
    hint:
      places.length > 1
        ? `Change one of the two: ${places.join(", or ")}.`
        : places.length === 1
          ? `Change ${places[0]}; the lines above say which versions go together.`
          : "Change the named requirement and deploy again.",
  };
}

import type { Explained, Said } from "./explained.ts";
import { placesOf } from "./names.ts";

/** What could not be fetched, or was not what it should be; null where uv says something else. */
export function explainFetch(said: Said): Explained | null {
  return hashes(said) ?? git(said) ?? link(said) ?? index(said);
}

function hashes({ text, origins }: Said): Explained | null {
  if (!/Hash mismatch|hashes? (?:do|does) not match|In `--require-hashes` mode/i.test(text)) return null;
  const name = /Hash mismatch for `([A-Za-z0-9][\w.-]{0,200})/.exec(text)?.[1];
  const place = name === undefined ? "" : placesOf(name, origins);
  return {
    code: "hash_mismatch",
    message: `${name ?? "A package"} on the index is another file than the hash that is asked for${place === "" ? "" : `: ${place}`}.`,
    hint: `Somebody changed the file, or the hash is of another one. Look at where it comes from, then write the lock anew.`,
  };
}

function git({ text, origins }: Said): Explained | null {
  const asked =
    /`((?:[A-Za-z0-9][\w.-]{0,200}(?:\[[^\]]{0,100}\])? @ )?git\+[^`\s]{1,500})`/.exec(text)?.[1] ??
    /(git\+[a-z]+:\/\/[^`'\s]{1,500})/.exec(text)?.[1];
  if (asked === undefined || !/Git operation failed|git fetch|failed to clone|failed to fetch/i.test(text))
    return null;
  const name = / @ /.test(asked) ? (asked.split(" ")[0] ?? "") : "";
  const place = placesOf(name, origins);
  const host = /git\+[a-z+]+:\/\/(?:[^/@\s]*@)?([^/:\s]+)/.exec(asked)?.[1] ?? "its host";
  const where = place === "" ? asked : place;
  if (
    /Could not resolve host|unable to access|Connection refused|timed out|proxy|CONNECT tunnel/i.test(text) &&
    !/returned error: (?:401|403|404)/.test(text)
  ) {
    return {
      code: "dependency_source_unreachable",
      message: `${host} could not be reached, from which ${where} takes a dependency.`,
      hint: `Use a release from the package index in its place, or let the machine that builds reach ${host}.`,
    };
  }
  if (
    /couldn't find remote ref|not our ref|unadvertised object|failed to (?:find|fetch) (?:branch|commit)/i.test(
      text,
    ) &&
    !/not found|Authentication|could not read/i.test(text)
  ) {
    return {
      code: "dependency_source_missing",
      message: `The branch, tag or commit of ${where} is not there.`,
      hint: `Name one that is pushed.`,
    };
  }
  return {
    code: "dependency_source_missing",
    message: `${host} does not hand out the repository of ${where}.`,
    hint: `Check the address; a private repository cannot be a dependency: publish a release of it, or put it into this repository.`,
  };
}

function link({ text, causes, origins }: Said): Explained | null {
  const found =
    /Failed to (?:download|fetch)(?: distribution)? `([A-Za-z0-9][\w.-]{0,200}) @ (https?:\/\/[^`\s]{1,500})`/.exec(
      text,
    );
  if (found === null) return null;
  const [, name = "", url = ""] = found;
  const status = /\((\d{3}) [^)]{1,40}\)/.exec(text)?.[1];
  return {
    code: "dependency_source_missing",
    message: `${new URL(url).host} does not hand out ${name}: ${status === undefined ? (causes.at(-1) ?? "it cannot be fetched") : `it answers ${status}`}.`,
    hint: `Correct the address in ${placesOf(name, origins) || "the requirement"}, or name a version from the package index.`,
  };
}

function index({ text, first, causes, doing }: Said): Explained | null {
  if (
    !/Failed to fetch|error sending request|dns error|tunnel error|tcp connect|timed out|Request failed|status client error|status server error/i.test(
      text,
    )
  )
    return null;
  const url =
    /Failed to fetch: `?(https?:\/\/[^`\s]{1,500})`?/.exec(text)?.[1] ??
    /for url \((https?:\/\/[^)\s]{1,500})\)/.exec(text)?.[1];
  const host = url !== undefined && URL.canParse(url) ? new URL(url).host : "the package index";
  const status = /\((\d{3}) ([^)]{1,40})\)/.exec(text);
  if (status !== null && (status[1] === "401" || status[1] === "403")) {
    return {
      code: "index_refused",
      message: `${host} wants a sign-in: it answers ${status[1]} ${status[2]}.`,
      hint: `Give the machine that builds its sign-in for ${host} in pip's configuration (pip config set global.index-url …).`,
    };
  }
  const why = status === null ? (causes.at(-1) ?? first) : `it answers ${status[1]} ${status[2]}`;
  return {
    code: "index_unreachable",
    message: `${doing}: ${host} could not be asked (${why}).`,
    hint: `Check that the machine that builds reaches ${host}; another index is set with pip config set global.index-url.`,
  };
}

import { headerText, isObject, type JsonObject, meta, metaOf } from "./envelope.ts";
import { isStatelessRevision, statelessRevisions } from "./eras.ts";
import { codes } from "./errors.ts";
import { methods } from "./methods.ts";

/** What a valid stateless request says of its client. */
export interface StatelessEnvelope {
  readonly revision: string;
  readonly clientName: string | null;
  readonly clientVersion: string | null;
  /** Absent: the client wants no log messages. */
  readonly logLevel: string | undefined;
}

export interface ProtocolFault {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Judges the envelope of a request of the stateless era: its version, the
 * `_meta` parts, the method, then that headers and body agree on the rest (2026-07-28,
 * basic and basic/transports/streamable-http).
 */
export function readStateless(
  request: { readonly method: string; readonly params: JsonObject },
  headers: Headers,
): StatelessEnvelope | ProtocolFault {
  const parts = metaOf(request.params);
  const revision = parts?.[meta.protocolVersion];
  if (parts === undefined || typeof revision !== "string") return missing(meta.protocolVersion, "a string");
  const otherVersion = disagreesOn("mcp-protocol-version", headers, revision);
  if (otherVersion !== undefined) return otherVersion;
  if (!isStatelessRevision(revision)) {
    return {
      status: 400,
      code: codes.unsupportedVersion,
      message: `Protocol version ${revision.slice(0, 40)} is not supported.`,
      data: { supported: [...statelessRevisions], requested: revision.slice(0, 40) },
    };
  }
  if (!isObject(parts[meta.clientCapabilities])) return missing(meta.clientCapabilities, "an object");
  const disagreement =
    disagreesOn("mcp-method", headers, request.method) ??
    absence(request.method) ??
    nameDisagreement(request, headers);
  if (disagreement !== undefined) return disagreement;
  const client = parts[meta.clientInfo];
  const level = parts[meta.logLevel];
  return {
    revision,
    clientName: isObject(client) ? shortText(client["name"]) : null,
    clientVersion: isObject(client) ? shortText(client["version"]) : null,
    logLevel: typeof level === "string" ? level : undefined,
  };
}

export function isFault(value: StatelessEnvelope | ProtocolFault): value is ProtocolFault {
  return "code" in value;
}

/** What is gone in this revision is told as what never was, whatever its parameters. */
function absence(method: string): ProtocolFault | undefined {
  if (methods.get(method)?.eras.includes("stateless") === true) return;
  const message = `The method ${method.slice(0, 120)} is not served here.`;
  return { status: 404, code: codes.methodNotFound, message };
}

/** A client's own word on itself, bounded for records. */
export function shortText(value: unknown): string | null {
  return typeof value === "string" ? value.slice(0, 120) : null;
}

function nameDisagreement(
  request: { readonly method: string; readonly params: JsonObject },
  headers: Headers,
): ProtocolFault | undefined {
  const names = methods.get(request.method)?.names;
  if (!names) return;
  const name = request.params[names.parameter];
  if (typeof name !== "string") {
    return {
      status: 400,
      code: codes.invalidParams,
      message: `${request.method} needs params.${names.parameter}, a string.`,
    };
  }
  return disagreesOn("mcp-name", headers, name);
}

function disagreesOn(header: string, headers: Headers, expected: string): ProtocolFault | undefined {
  const value = headers[header];
  const given = typeof value === "string" ? value.trim() : undefined;
  // Only names are written in Base64 where they have to be.
  const text = given === undefined || header !== "mcp-name" ? given : headerText(given);
  if (text === expected) return;
  return {
    status: 400,
    code: codes.headerMismatch,
    message:
      value === undefined
        ? `The header ${header} is missing; it must repeat what the body says.`
        : `The header ${header} does not agree with the body.`,
    data: { header },
  };
}

function missing(key: string, what: string): ProtocolFault {
  return {
    status: 400,
    code: codes.invalidParams,
    message: `params._meta["${key}"] must be ${what}.`,
    data: { missing: key },
  };
}

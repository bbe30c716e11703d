import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** Every variable that Offing reads, as the strings that they are. */
export interface Env {
  readonly data: string | undefined;
  readonly cache: string | undefined;
  readonly port: string | undefined;
  readonly host: string | undefined;
  readonly workers: string | undefined;
  readonly workerSilence: string | undefined;
  readonly publicUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly valkeyUrl: string | undefined;
  readonly isolation: string | undefined;
  readonly memoryMb: string | undefined;
  readonly requestWindow: string | undefined;
  readonly idleStop: string | undefined;
  readonly bridgeProcesses: string | undefined;
  readonly python: string | undefined;
  readonly allowedOrigins: string | undefined;
  readonly callerRequests: string | undefined;
  readonly callerStreams: string | undefined;
}

export interface Config {
  /** Absolute. Everything that must survive lies here. */
  readonly dataDir: string;
  /** Absolute. What can be fetched again: tools, wheels. */
  readonly cacheDir: string;
  readonly port: number;
  readonly host: string;
  /** Gateway processes that share the port; 0: the program itself serves it. */
  readonly workers: number;
  /** Milliseconds after which one of them that says nothing is taken for stuck, and replaced. */
  readonly workerSilenceMs: number;
  /** An origin: http or https, host and port, no trailing slash. Undefined until the port is known. */
  readonly publicUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  /** `valkey://` or `redis://`, with an `s` for TLS: where servers keep state, instead of a private Valkey. */
  readonly valkeyUrl: string | undefined;
  readonly isolation: "bwrap" | "landlock" | "none" | undefined;
  readonly memoryMb: number;
  readonly requestWindowMs: number;
  readonly idleStopMs: number;
  /** Processes of one instance that serves a program behind a bridge, one per session, at most. */
  readonly bridgeProcesses: number;
  /** The interpreter that helper scripts run on. */
  readonly python: string;
  /** Web origins whose pages may be MCP clients, beside our own; `*` for any. */
  readonly allowedOrigins: readonly string[];
  /** Requests of one caller at a time, and standing streams, over all gateway processes. */
  readonly callerRequests: number;
  readonly callerStreams: number;
}

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export function readEnv(env: NodeJS.ProcessEnv): Env {
  const one = (name: string) => env[name] || undefined;
  return {
    data: one("OFFING_DATA"),
    cache: one("OFFING_CACHE"),
    port: one("OFFING_PORT"),
    host: one("OFFING_HOST"),
    workers: one("OFFING_WORKERS"),
    workerSilence: one("OFFING_WORKER_SILENCE_SECONDS"),
    publicUrl: one("OFFING_PUBLIC_URL"),
    databaseUrl: one("DATABASE_URL"),
    valkeyUrl: one("VALKEY_URL"),
    isolation: one("OFFING_ISOLATION"),
    memoryMb: one("OFFING_MEMORY_MB"),
    requestWindow: one("OFFING_REQUEST_WINDOW_SECONDS"),
    idleStop: one("OFFING_IDLE_STOP_SECONDS"),
    bridgeProcesses: one("OFFING_BRIDGE_PROCESSES"),
    python: one("OFFING_PYTHON"),
    allowedOrigins: one("OFFING_ALLOWED_ORIGINS"),
    callerRequests: one("OFFING_CALLER_REQUESTS"),
    callerStreams: one("OFFING_CALLER_STREAMS"),
  };
}

/** Typed, defaulted and cross-checked; a ConfigError names the variable and what it takes. */
export function toConfig(env: Env): Config {
  if (env.databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(env.databaseUrl)) {
    throw new ConfigError("DATABASE_URL must begin with postgres:// or postgresql://");
  }
  if (env.valkeyUrl !== undefined && !(isValkey(env.valkeyUrl) && URL.canParse(env.valkeyUrl))) {
    throw new ConfigError(
      "VALKEY_URL must begin with valkey:// or redis://, or valkeys:// or rediss:// for TLS",
    );
  }
  return {
    dataDir: dataDir(env),
    cacheDir: folder(env.cache, process.env["XDG_CACHE_HOME"], ".cache"),
    port: integer("the port", env.port, 7400, 0, 65_535),
    host: env.host ?? "127.0.0.1",
    workers: integer("the number of workers", env.workers, 0, 1, 32),
    workerSilenceMs: 1000 * integer("OFFING_WORKER_SILENCE_SECONDS", env.workerSilence, 30, 1, 3600),
    publicUrl: origin(env.publicUrl),
    databaseUrl: env.databaseUrl,
    valkeyUrl: env.valkeyUrl,
    isolation: isolation(env.isolation),
    memoryMb: integer("OFFING_MEMORY_MB", env.memoryMb, 1024, 64, 1_048_576),
    requestWindowMs: 1000 * integer("OFFING_REQUEST_WINDOW_SECONDS", env.requestWindow, 170, 1, 86_400),
    idleStopMs: 1000 * integer("OFFING_IDLE_STOP_SECONDS", env.idleStop, 300, 1, 86_400),
    bridgeProcesses: integer("OFFING_BRIDGE_PROCESSES", env.bridgeProcesses, 16, 2, 64),
    python: env.python ?? "python3",
    allowedOrigins: origins(env.allowedOrigins),
    callerRequests: integer("OFFING_CALLER_REQUESTS", env.callerRequests, 256, 1, 65_536),
    callerStreams: integer("OFFING_CALLER_STREAMS", env.callerStreams, 64, 1, 65_536),
  };
}

function isValkey(text: string): boolean {
  return /^(?:valkey|redis)s?:\/\//.test(text);
}

/** The data folder alone: the CLI needs it to find the owner's key. */
export function dataDir(env: Pick<Env, "data">): string {
  return folder(env.data, process.env["XDG_DATA_HOME"], ".local/share");
}

function folder(given: string | undefined, xdg: string | undefined, fallback: string): string {
  if (given !== undefined) return resolve(given);
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), fallback), "offing");
}

function integer(name: string, text: string | undefined, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ConfigError(`${name} must be a whole number from ${min} to ${max}, not "${text}"`);
  }
  return value;
}

/** As browsers name it in `Origin`: whatever else a URL may have, they would never send. */
function origin(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const allowed = url?.protocol === "http:" || url?.protocol === "https:";
  // Nothing but the origin is left when the URL, written out, is the origin.
  if (allowed && url.href === `${url.origin}/`) return url.origin;
  throw new ConfigError(
    `the public URL is http:// or https://, a host and perhaps a port, without user, path, query or fragment, such as https://mcp.example.com; it is not "${text}"`,
  );
}

/** As browsers name them in `Origin`, separated by commas or spaces. Extensions and editors have schemes of their own. */
function origins(text: string | undefined): readonly string[] {
  const given = (text ?? "").split(/[\s,]+/).filter((part) => part !== "");
  return given.map((part) => {
    if (part === "*") return part;
    const scheme = /^([a-z][a-z0-9+.-]*):\/\/[^/?#@\s]+$/.exec(part)?.[1];
    const web = scheme === "http" || scheme === "https";
    if (scheme !== undefined && (!web || (URL.canParse(part) && new URL(part).origin === part))) return part;
    throw new ConfigError(
      `an allowed origin is a scheme, a host and perhaps a port, such as https://app.example.com, or * for any; it is not "${part}"`,
    );
  });
}

function isolation(text: string | undefined): Config["isolation"] {
  if (text === undefined || text === "bwrap" || text === "landlock" || text === "none") return text;
  throw new ConfigError(`OFFING_ISOLATION must be bwrap, landlock or none, not "${text}"`);
}

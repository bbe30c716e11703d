import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { indexHosts, readIndexes } from "../build/install/indexes.ts";
import { build } from "../build/run.ts";
import type { BuildLimits } from "../build/services.ts";
import type { Config } from "../config.ts";
import { auditSigner, checkpointAudit } from "../domain/audit/checkpoint.ts";
import { createInspector } from "../domain/builds/inspect.ts";
import { inspectionOf } from "../domain/builds/inspection.ts";
import type { Context, Services } from "../domain/context.ts";
import { followChanges } from "../domain/changes/follow.ts";
import { createAllowedHosts } from "../domain/egress.ts";
import { hashKey } from "../domain/keys/secret.ts";
import { maintain } from "../domain/maintain.ts";
import { bootstrap } from "../domain/organizations/bootstrap.ts";
import { createLineWriter } from "../domain/records/write-lines.ts";
import { createApi } from "../http/api.ts";
import type { WebBuild } from "../http/web.ts";
import { tasks } from "../jobs/tasks.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { createLocalRunner, type LocalRunner } from "../runner/local.ts";
import { openDatabase } from "../store/database.ts";
import { readKeyring } from "../store/keyring.ts";
import { startPostgres } from "../store/postgres.ts";
import { joinProcesses } from "../store/processes.ts";
import type { PoolConfig } from "pg";
import { createGuard } from "../upstream/guard.ts";
import { createPools } from "../upstream/pool.ts";
import { createArtifacts } from "./artifacts.ts";
import { Closing } from "./closing.ts";
import { openFront } from "./front.ts";
import { keyHolder } from "./gateway.ts";
import { ownListeners } from "./own.ts";
import { type Elsewhere, openServices, ringOf, withOthers } from "./services.ts";
import { openValkeys } from "./valkey.ts";
import { noWeb } from "./web.ts";

export interface SystemOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  readonly env: NodeJS.ProcessEnv;
  /** Absolute path of bubblewrap, where there is one. */
  readonly bwrap: string | null;
  /** Told what the start is doing, for people. */
  readonly onProgress?: (text: string) => void;
  readonly buildLimits?: Partial<BuildLimits>;
  /** The pages; without, the program serves API and endpoints only. */
  readonly web?: WebBuild;
  /** For a database that is there already, instead of the embedded one. */
  readonly connection?: PoolConfig | undefined;
}

/** A running Offing: everything wired, listening. */
export interface System {
  readonly url: string;
  /** Where programs on this machine reach it, whatever its public URL and whatever resolves names. */
  readonly localUrl: string;
  readonly dataDir: string;
  readonly ownerKeyFile: string;
  /** Whether this start made the organization `default`. */
  readonly first: boolean;
  /** How many programs were killed on this database since the last start. */
  readonly killed: number;
  readonly runner: LocalRunner;
  readonly services: Services;
  /** A context for the program's own acts, and for tests. */
  context(actor: Context["actor"]): Context;
  close(): Promise<void>;
}

/** Config → services → listeners. What was opened is closed again, last first, also when a later step fails. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const closing = new Closing();
  try {
    return await open(options, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function open(options: SystemOptions, closing: Closing): Promise<System> {
  const { config, log } = options;
  const clock = options.clock ?? systemClock;
  const { dataDir, cacheDir } = config;
  const progress = options.onProgress ?? (() => {});
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  mkdirSync(cacheDir, { recursive: true });

  // Store
  const external =
    options.connection ??
    (config.databaseUrl === undefined ? undefined : { connectionString: config.databaseUrl });
  if (external === undefined) progress("Starting PostgreSQL…");
  const connection = external ?? closing.add(await startPostgres({ dataDir, cacheDir, log })).connection;
  const database = closing.add(await openDatabase(connection, log));
  let rejoin = async (): Promise<void> => {};
  let elsewhere: Elsewhere = async () => {};
  const keyring = readKeyring(join(dataDir, "keyring.json"));
  const signer = auditSigner(keyring.audit.id, keyring.audit.privateKey);
  const sealing = ringOf(keyring.sealing);

  // Domain
  let publicUrl = config.publicUrl ?? "";
  // Its port is not known before it listens, and nothing is dialled before that.
  let own = ownListeners(config, config.port, database.connection);
  const here = await openServices(
    {
      database,
      dataDir,
      sealing,
      clock,
      log,
      publicUrl: () => publicUrl,
      own: () => own,
      onReconnect: () => rejoin(),
    },
    closing,
  );
  const services = withOthers(here, (xid) => elsewhere(xid));
  const { jobs } = services;
  const processes = closing.add(await joinProcesses(database, services.notices, log));
  rejoin = () => processes.hold();
  const context = (actor: Context["actor"]): Context => ({ ...services, actor });
  await maintain(services, signer);
  await followChanges(services, { requestWindowMs: config.requestWindowMs });
  const ownerKeyFile = join(dataDir, "owner.key");
  const owner = await bootstrap(context({ kind: "system", job: "bootstrap" }), ownerKeyFile);

  // Runner
  progress("Probing isolation…");
  const lines = closing.add(createLineWriter(services));
  const [key] = services.secrets.derive("users of Valkey");
  const valkeys = closing.add(openValkeys({ config, env: options.env, key: key!, log }));
  const runner = closing.add(
    await createLocalRunner({
      artifacts: createArtifacts(dataDir, services),
      lines: { write: (line) => lines.push(line) },
      python: config.python,
      bwrap: options.bwrap,
      clock,
      memoryMb: config.memoryMb,
      idleStopMs: config.idleStopMs,
      bridgeProcesses: config.bridgeProcesses,
      valkeys,
      ...(config.isolation === undefined ? {} : { isolation: config.isolation }),
    }),
  );
  // Without mounts of their own, instances under other uids read their code by its path; nothing is listable on the way.
  const shared = runner.isolation.layer === "landlock" && process.getuid?.() === 0;
  chmodSync(dataDir, shared ? 0o711 : 0o700);

  // Front
  const pools = closing.add(createPools({ guarded: (of) => services.externals.dispatcher(of) }));
  const api = createApi({
    services,
    signer,
    verify: (token) => keyHolder(services.snapshot, hashKey(token)),
    web: options.web ?? noWeb,
  });
  let port = config.port;
  const front = await openFront(
    {
      config,
      services,
      sealing,
      runner,
      pools,
      log,
      api,
      onPort(bound) {
        port = bound;
        own = ownListeners(config, port, database.connection);
        return (publicUrl ||= `http://${urlHost(config.host)}:${port}`);
      },
      connection: external ?? null,
      sealingKeys: keyring.sealing,
    },
    closing,
  );
  elsewhere = (xid) => front.applied(xid);

  // Builds
  const allowed = createAllowedHosts(services);
  const trusted = indexHosts(await readIndexes(options.env));
  const guard = createGuard({
    allow: (organization) => allowed.of(organization),
    own: () => own,
    trustedHosts: () => trusted,
  });
  const inspector = createInspector({
    runner,
    pools,
    keepMs: 60_000,
    inspection: (request) => inspectionOf(services, request),
  });
  closing.add({ close: async () => inspector.close() });
  await jobs.start(
    tasks({
      services,
      signer,
      async *builder(request) {
        await allowed.refresh(request.organization);
        return yield* build(request, {
          dataDir,
          cacheDir,
          guard,
          sandbox: runner.sandbox,
          inspector,
          env: options.env,
          ...(options.buildLimits === undefined ? {} : { limits: options.buildLimits }),
        });
      },
    }),
    (worker) => void processes.addWorker(worker).catch(() => {}),
  );
  closing.add(jobs);
  closing.add({ close: () => checkpointAudit(services, signer) });

  return {
    url: publicUrl,
    localUrl: `http://${localAddress(config.host)}:${port}`,
    dataDir,
    ownerKeyFile,
    runner,
    services,
    context,
    first: owner.first,
    killed: processes.killed,
    close: () => closing.close(),
  };
}

function localAddress(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** Where a browser on this machine finds a listener: the name, for loopback and for all interfaces. */
function urlHost(host: string): string {
  if (["127.0.0.1", "0.0.0.0", "::", "::1"].includes(host)) return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

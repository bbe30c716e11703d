import { createServer, type Server } from "node:http";
import { followChanges } from "../../domain/changes/follow.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { connectRunner } from "../../runner/remote.ts";
import { joinDatabase } from "../../store/database.ts";
import { joinPostgres } from "../../store/postgres.ts";
import { createPools } from "../../upstream/pool.ts";
import { Closing } from "../closing.ts";
import { openGateway } from "../gateway.ts";
import { bind, listen } from "../listen.ts";
import { ownListeners } from "../own.ts";
import { type Elsewhere, openServices, ringOf, withOthers } from "../services.ts";
import { enterMeetingPlace, files } from "./meeting-place.ts";
import type { Order, Stands } from "./messages.ts";
import { createPassOn } from "./pass-on.ts";

/** A gateway process that follows the change log and can serve. */
export interface Serving {
  /** Begins to serve the public port. Throws a ListenError. */
  listen(): Promise<void>;
  /** Another gateway process came, or went (null). */
  peer(name: string, file: string | null): void;
  /** Another gateway process tells which sessions have their standing stream there. */
  stands(holder: string, streams: Stands["streams"]): void;
  /** Resolves once a transaction of the change log is applied here; null: all that is committed now. */
  applied(xid: string | null): Promise<void>;
  /** Lets what is under way finish for the gateway's drain time, and closes everything. */
  close(): Promise<void>;
}

/** Connections of one worker's pool: it writes records and reads changes, nothing else. */
const CONNECTIONS = 2;

/** What it has the other gateway processes told. */
export interface Others {
  readonly elsewhere: Elsewhere;
  stands(streams: Stands["streams"]): void;
}

/** Wires one gateway process. What was opened is closed again when a later step fails. */
export async function serve(order: Order, log: Log, others: Others): Promise<Serving> {
  const closing = new Closing();
  try {
    return await open(order, log, others, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function open(order: Order, log: Log, others: Others, closing: Closing): Promise<Serving> {
  const { config, port, publicUrl } = order;
  const { dataDir } = config;
  const sealing = ringOf(order.sealing);
  const place = closing.add(enterMeetingPlace(dataDir));
  const connection = order.connection ?? joinPostgres(dataDir);
  const database = closing.add(joinDatabase(connection, log, CONNECTIONS));
  const own = ownListeners(config, port, database.connection);
  const here = await openServices(
    { database, dataDir, sealing, clock: systemClock, log, publicUrl: () => publicUrl, own: () => own },
    closing,
  );
  const services = withOthers(here, others.elsewhere);
  await followChanges(services, { requestWindowMs: config.requestWindowMs });
  const runner = closing.add(await connectRunner(place.at(files.runner)));
  const pools = closing.add(
    createPools({ guarded: (of) => services.externals.dispatcher(of), self: order.name }),
  );

  const addresses = new Map(order.peers.map(([name, file]) => [name, `unix:${place.at(file)}`]));
  const stood: [string, number][] = [];
  const gateway = openGateway(
    {
      config,
      services,
      sealing,
      instances: runner,
      pools,
      publicUrl,
      peers: {
        self: order.name,
        address: (holder) => addresses.get(holder),
        others: () => addresses.keys(),
        stands(session) {
          const at = Number(process.hrtime.bigint());
          // Those of one turn of the loop go together, so that many clients at a time are one message.
          if (stood.push([session, at]) === 1) setImmediate(() => others.stands(stood.splice(0)));
          return at;
        },
      },
    },
    closing,
  );
  const internal = createServer({ maxHeaderSize: 64 * 1024, keepAliveTimeout: 65_000 }, (req, res) => {
    gateway.take(req, res);
  });
  internal.requestTimeout = 0;
  await bind(internal, { path: place.at(order.file) });
  const passOn = createPassOn(place.at(files.api));
  let server: Server | undefined;
  closing.add({
    async close() {
      server?.close();
      await gateway.close();
      server?.closeAllConnections();
      internal.close();
      internal.closeAllConnections();
      passOn.close();
    },
  });
  return {
    async listen() {
      ({ server } = await listen(
        {
          matches: (path) => gateway.matches(path),
          gateway: (request, response) => gateway.handle(request, response),
          rest: (request, response) => passOn.pass(request, response),
        },
        { host: config.host, port, reusePort: true },
      ));
    },
    peer(name, file) {
      const known = addresses.get(name);
      if (file !== null) {
        addresses.set(name, `unix:${place.at(file)}`);
        others.stands(gateway.standing());
      } else if (addresses.delete(name)) pools.drop(known!, new Error("The process is gone."));
    },
    stands(holder, streams) {
      for (const [session, at] of streams) gateway.stands(holder, session, at);
    },
    applied: (xid) => (xid === null ? here.changes.caughtUp() : here.changes.applied(BigInt(xid))),
    close: () => closing.close(),
  };
}

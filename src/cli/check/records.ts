import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { withMcp } from "../mcp.ts";
import {
  absentName,
  failed,
  type Line,
  line,
  type Made,
  needsRole,
  isServed,
  notApplicable,
  nothingLive,
  passed,
  type Scene,
} from "./line.ts";

type Record = Output<Routes["followRequests"]>;

/** Records are written off a request's way, a moment later. */
const RECORDS_WITHIN_MS = 10_000;
const LINES_WITHIN_MS = 3_000;

/** What is left of the check's own requests, in records and in the server log. */
export async function checkRecords(scene: Scene): Promise<Line[]> {
  const live = isServed(scene);
  const refused = await refusedRequest(scene);
  const failing = await failingRequest(scene);
  const found: Record[] = [];
  const recorded = await line(
    "hosted",
    "The request records show the calls with the client and the principal that made them",
    async () => {
      if (!live) return nothingLive;
      if (scene.builds === null) return needsRole("editor");
      if (scene.made.length === 0)
        return notApplicable("no request got as far as the server, so there is none to look for");
      const wanted = scene.made.map((made) => ({
        what: describe(made),
        is: (record: Record) => isRecordOf(record, made, scene),
      }));
      const missing = await find(scene, found, wanted);
      if (missing.length > 0)
        return failed(
          `no record with the client ${scene.client.name} and the caller's principal for: ${missing.join(", ")}`,
          `./offing requests ${scene.at.server}`,
        );
      return passed(scene.made.map(describe).join(", "));
    },
  );
  const boundaries = await line(
    "hosted",
    "The records tell a refusal by the gateway from a failure of the server",
    async () => {
      if (!live) return nothingLive;
      if (scene.builds === null) return needsRole("editor");
      if (refused !== 405)
        return notApplicable(`the gateway could not be made to refuse: a PUT was answered ${refused}`);
      if (failing === null)
        return notApplicable("nothing could be made to fail: the server answered even what it does not have");
      const refusal = {
        what: "a PUT",
        is: (record: Record) => record.httpStatus === 405 && record.boundary === "protocol",
      };
      const missing = await find(scene, found, [refusal, failing]);
      if (missing.length > 0)
        return failed(
          `no record says where it stopped: ${missing.join(", ")}`,
          `./offing requests ${scene.at.server}`,
        );
      const { method, boundary } = found.find(failing.is)!;
      const where = boundary === null ? "got its error from the server" : `stopped at "${boundary}"`;
      return passed(`a PUT stopped at "protocol"; ${method} ${where}`);
    },
  );
  const log = await line(
    "hosted",
    "The server log says during which request a line was printed",
    async () => {
      if (!live) return nothingLive;
      if (scene.builds === null) return needsRole("editor");
      const requests = new Set(found.map(({ id }) => id));
      const { client } = scene.cli;
      const printed = await first(
        client.stream("followServerLines", scene.at, { since: scene.since }, timely(LINES_WITHIN_MS)),
        ({ request }) => request !== null && requests.has(request),
      );
      if (printed === undefined)
        return notApplicable("the server printed nothing during the requests of this check");
      return passed(`"${printed.text.slice(0, 80)}" belongs to ${printed.request}`);
    },
  );
  return [recorded, boundaries, log];
}

interface Wanted {
  readonly what: string;
  is(record: Record): boolean;
}

/** The status of a request that the gateway refuses by itself: there is nothing to PUT. */
async function refusedRequest({ cli, server }: Scene): Promise<number | "not at all"> {
  const response = await fetch(server.endpoint, {
    method: "PUT",
    headers: cli.key === undefined ? {} : { authorization: `Bearer ${cli.key}` },
    redirect: "manual",
    signal: AbortSignal.timeout(30_000),
  }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status ?? "not at all";
}

/**
 * A request that ends in an error of the server, or of what should start it;
 * null where the server answered even that.
 */
async function failingRequest(scene: Scene): Promise<Wanted | null> {
  const { cli, at, server, me, client } = scene;
  let connected = false;
  try {
    await withMcp(
      cli,
      at,
      (mcp) => {
        connected = true;
        return mcp.getPrompt({ name: absentName });
      },
      { endpoint: server.endpoint, client },
    );
    return null;
  } catch {
    const what = "prompts/get of something absent";
    const made = { method: "prompts/get", principal: me.principal };
    if (connected) return { what, is: (record) => isRecordOf(record, made, scene) && hasPlace(record) };
    const ours = (record: Record) => record.method !== null && record.client?.version === client.version;
    return {
      what: "the first request of a client",
      is: (record) => ours(record) && record.boundary !== null,
    };
  }
}

function isRecordOf(record: Record, { method, principal }: Made, { client }: Scene): boolean {
  if (record.method !== method || record.principal !== principal.id) return false;
  if (method === null) return record.boundary !== null;
  return record.client?.name === client.name && record.client.version === client.version;
}

/** `tools/list by Ada`. */
function describe({ method, principal }: Made): string {
  return `${method ?? "a refused request"} by ${principal.name}`;
}

/** Whether a failure's record says on which side it was: at a boundary of ours, or in the server's answer. */
function hasPlace({ boundary, jsonrpcCode, isError }: Record): boolean {
  return boundary !== null || jsonrpcCode !== null || isError;
}

/** Follows the records until each that is wanted was there; what was not, by name. */
async function find(
  { cli, at, since }: Scene,
  found: Record[],
  wanted: readonly Wanted[],
): Promise<string[]> {
  const left = () => wanted.filter(({ is }) => !found.some(is)).map(({ what }) => what);
  if (left().length === 0) return [];
  await first(cli.client.stream("followRequests", at, { since }, timely(RECORDS_WITHIN_MS)), (record) => {
    if (!found.some(({ id }) => id === record.id)) found.push(record);
    return left().length === 0;
  });
  return left();
}

function timely(ms: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(ms) };
}

/** The first event that is wanted; undefined when the stream's time is over before. */
async function first<T>(
  events: AsyncGenerator<{ data: T }>,
  wanted: (data: T) => boolean,
): Promise<T | undefined> {
  try {
    for await (const { data } of events) if (wanted(data)) return data;
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") throw error;
  }
  return undefined;
}

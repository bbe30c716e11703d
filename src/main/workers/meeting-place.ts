import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Where the program's processes meet: a folder that only their user enters. */
export interface MeetingPlace {
  /** The path of a socket in it, for this process only: short, however long the data folder's path is. */
  at(file: string): string;
  close(): void;
}

export const files = { api: "api", runner: "runner" } as const;

/** Makes it anew, without what a killed program left. One program uses a data folder at a time. */
export function makeMeetingPlace(dataDir: string): MeetingPlace {
  const path = join(dataDir, "run");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { mode: 0o700 });
  return enterMeetingPlace(dataDir);
}

/** A socket's path ends at 107 bytes (unix(7)); one through an open descriptor of the folder is never longer. */
export function enterMeetingPlace(dataDir: string): MeetingPlace {
  const fd = openSync(join(dataDir, "run"), "r");
  return { at: (file) => `/proc/self/fd/${fd}/${file}`, close: () => closeSync(fd) };
}

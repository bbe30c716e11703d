import { compileEgress } from "./changes/compile.ts";
import type { Services } from "./context.ts";

/** The private hosts that admins let their organization's connections reach, as the guard asks for them. */
export interface AllowedHosts {
  of(organization: string): readonly { readonly host: string; readonly port: number }[];
  /** Reads an organization's list anew; called before something of it dials out. */
  refresh(organization: string): Promise<void>;
}

export function createAllowedHosts({ db, snapshot }: Pick<Services, "db" | "snapshot">): AllowedHosts {
  return {
    of: (organization) => snapshot.allowedHosts(organization),
    refresh: async (organization) => snapshot.apply(await compileEgress(db, organization)),
  };
}

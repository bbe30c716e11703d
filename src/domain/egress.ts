import type { Services } from "./context.ts";

/** The private hosts that admins let their organization's connections reach, as the guard asks for them. */
export interface AllowedHosts {
  of(organization: string): readonly { readonly host: string; readonly port: number }[];
  /** Reads an organization's list anew; called before something of it dials out. */
  refresh(organization: string): Promise<void>;
}

export function createAllowedHosts(services: Pick<Services, "db">): AllowedHosts {
  const lists = new Map<string, readonly { host: string; port: number }[]>();
  return {
    of: (organization) => lists.get(organization) ?? [],
    async refresh(organization) {
      const rows = await services.db
        .selectFrom("allowed_hosts")
        .select(["host", "port"])
        .where("organization", "=", organization)
        .execute();
      lists.set(organization, rows);
    },
  };
}

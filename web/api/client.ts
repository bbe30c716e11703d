import { type Client, createClient } from "../../src/contract/client.ts";

/** The control API, as the signed-in person: the browser sends the session's cookie by itself. */
export const api: Client = createClient({ url: window.location.origin });

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf } from "../../lib/log.ts";
import { Connection } from "./connection.ts";

/** A connection to the server at a URL, signed in with what the URL holds. Rejects with its host and its reason. */
export async function signIn(text: string): Promise<Connection> {
  const url = new URL(text);
  const connection = new Connection(await dialled(url));
  try {
    const words = [url.username, url.password].map(decodeURIComponent).filter((word) => word !== "");
    if (url.password !== "") await connection.command("AUTH", ...words);
    const database = url.pathname.slice(1);
    if (database !== "") await connection.command("SELECT", database);
    return connection;
  } catch (error) {
    connection.close();
    throw new Error(`${url.host} (VALKEY_URL) refuses us: ${messageOf(error)}`, { cause: error });
  }
}

function dialled(url: URL): Promise<Socket> {
  const address = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 6379) };
  const secure = url.protocol === "valkeys:" || url.protocol === "rediss:";
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls({ ...address, servername: address.host }) : connect(address);
    const fail = (error: Error): void => {
      socket.destroy();
      reject(new Error(`${url.host} (VALKEY_URL) cannot be reached: ${error.message}`, { cause: error }));
    };
    socket.once("error", fail);
    socket.setTimeout(10_000, () => fail(new Error("it did not answer within 10 s")));
    socket.once(secure ? "secureConnect" : "connect", () => {
      socket.off("error", fail);
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

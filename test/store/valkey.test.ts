import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { accountForValkey, startValkey } from "../../src/store/valkey/child.ts";
import { prefixOf, SERVER_CONNECTIONS } from "../../src/store/valkey/valkey.ts";
import { find, folder, of, open, signedIn } from "./valkeys.ts";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

test("A server reads and writes its own keys, and no other server's, not even by name. [R:tasks.own-keys]", async () => {
  const valkey = open();
  const [one, two] = await Promise.all([signedIn(valkey, "srv_one"), signedIn(valkey, "srv_two")]);
  const own = `${prefixOf("srv_one")}secret`;
  expect(await one.command("SET", own, "mine")).toBe("OK");
  expect(await one.command("GET", own)).toBe("mine");
  const foreign = [
    ["GET", own],
    ["SET", own, "stolen"],
    ["DEL", own],
    ["EVAL", "return redis.call('GET', KEYS[1])", "1", own],
    ["EVAL", `return redis.call('GET', '${own}')`, "0"],
    ["COPY", own, `${prefixOf("srv_two")}copy`],
    ["SET", "unprefixed", "1"],
    ["SUBSCRIBE", `${prefixOf("srv_one")}channel`],
    ["PSUBSCRIBE", "*"],
    ["PUBLISH", `${prefixOf("srv_one")}channel`, "hello"],
    ["KEYS", "*"],
    ["SCAN", "0"],
    ["EVAL", "return redis.call('SCAN', '0')", "0"],
    ["RANDOMKEY"],
    ["MONITOR"],
    ["CONFIG", "GET", "*"],
    ["ACL", "LIST"],
    ["CLIENT", "LIST"],
    ["FLUSHALL"],
    ["SHUTDOWN"],
    ["AUTH", "offing-srv_one", "guess"],
    ["AUTH", "offing", ""],
  ];
  for (const command of foreign) {
    const answer = await two.command(...command).then(String, (error: Error) => error.message);
    expect(`${command.join(" ")} → ${answer}`).toMatch(/→ .*(?:NOPERM|WRONGPASS|ACL failure)/);
  }
  expect(await one.command("GET", own)).toBe("mine");
});

test("A server can neither stop all others in the script debugger, nor be told of their keys. [R:tasks.nothing-of-others]", async () => {
  const valkey = open();
  const one = await signedIn(valkey, "srv_one");
  const key = `${prefixOf("srv_one")}k`;
  for (const command of [
    ["SCRIPT", "DEBUG", "SYNC"],
    ["SCRIPT", "DEBUG", "YES"],
    ["SCRIPT", "FLUSH"],
    ["CLIENT", "TRACKING", "ON", "BCAST"],
    ["CLIENT", "LIST"],
    ["MEMORY", "STATS"],
    ["MEMORY", "PURGE"],
  ]) {
    const answer = await one.command(...command).then(String, (error: Error) => error.message);
    expect(`${command.join(" ")} → ${answer}`).toMatch(/→ NOPERM/);
  }
  expect(await one.command("SET", key, "mine")).toBe("OK");
  const script = await one.command("SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])");
  expect(await one.command("SCRIPT", "EXISTS", String(script))).toEqual([1]);
  expect(await one.command("EVALSHA", String(script), "1", key)).toBe("mine");
  expect(await one.command("CLIENT", "SETNAME", "worker")).toBe("OK");
  expect(await one.command("CLIENT", "ID")).toEqual(expect.any(Number));
  expect(await one.command("MEMORY", "USAGE", key)).toEqual(expect.any(Number));
});

test("One server cannot take all connections; those it gives back are there again. [R:tasks.connections]", async () => {
  const valkey = open();
  const held = await Promise.all(
    Array.from({ length: SERVER_CONNECTIONS }, () => signedIn(valkey, "srv_one")),
  );
  await expect(signedIn(valkey, "srv_one")).rejects.toThrow(`${SERVER_CONNECTIONS} connections`);
  expect(await (await signedIn(valkey, "srv_two")).command("PING")).toBe("PONG");
  held[0]!.close();
  await vi.waitFor(async () => {
    expect(await (await signedIn(valkey, "srv_one")).command("PING")).toBe("PONG");
  });
});

test("Where one server has filled all memory, others' writes fail in words, nothing that they keep is lost, and what is deleted makes room. [R:tasks.full]", async () => {
  const valkey = open();
  const [one, two] = await Promise.all([signedIn(valkey, "srv_one"), signedIn(valkey, "srv_two")]);
  const kept = `${prefixOf("srv_two")}kept`;
  await two.command("SET", kept, "kept");
  const filled: string[] = [];
  const fill = async (): Promise<unknown> => {
    const key = `${prefixOf("srv_one")}${filled.length}`;
    filled.push(key);
    return one.command("SETRANGE", key, String(16 * 1024 * 1024 - 1), "x");
  };
  await expect(
    (async () => {
      while (filled.length < 64) await fill();
    })(),
  ).rejects.toThrow(/^OOM /);
  await expect(two.command("SET", `${prefixOf("srv_two")}more`, "1")).rejects.toThrow(/^OOM /);
  expect(await two.command("GET", kept)).toBe("kept");
  expect(await one.command("EXISTS", filled[0]!)).toBe(1);
  expect(await one.command("UNLINK", ...filled)).toBeGreaterThan(10);
  await vi.waitFor(async () => {
    expect(await two.command("SET", `${prefixOf("srv_two")}more`, "1")).toBe("OK");
  });
});

test("A Valkey that runs and says nothing is ended, and the next one has what it had. [R:tasks.silent]", async () => {
  const pids: number[] = [];
  const valkey = open({ started: (running) => pids.push(running) });
  const key = `${prefixOf("srv_one")}kept`;
  const first = await signedIn(valkey, "srv_one");
  await first.command("SET", key, "kept");
  process.kill(pids[0]!, "SIGSTOP");
  await expect(first.command("GET", key)).rejects.toThrow(/closed|reset/i);
  await vi.waitFor(
    async () => {
      const again = await signedIn(valkey, "srv_two");
      again.close();
    },
    { timeout: 20_000, interval: 100 },
  );
  expect(await (await signedIn(valkey, "srv_one")).command("GET", key)).toBe("kept");
  expect(pids).toHaveLength(2);
});

for (const [what, script] of [
  ["that only reads", "while true do end"],
  ["that has written", "redis.call('SET', KEYS[1], '1') while true do end"],
] as const) {
  test(`A script ${what} and never ends holds other servers up for a moment only. [R:tasks.endless-script]`, async () => {
    const valkey = open();
    const key = `${prefixOf("srv_two")}kept`;
    const two = await signedIn(valkey, "srv_two");
    await two.command("SET", key, "kept");
    const one = await signedIn(valkey, "srv_one");
    const endless = one.command("EVAL", script, "1", `${prefixOf("srv_one")}k`);
    await expect(endless).rejects.toThrow(/killed|closed|reset/i);
    await vi.waitFor(
      async () => {
        const again = await signedIn(valkey, "srv_two");
        expect(await again.command("GET", key)).toBe("kept");
        again.close();
      },
      { timeout: 20_000, interval: 100 },
    );
  });
}

test("Valkey is started by the first connection, on a socket that only its account may open. [R:tasks.started-when-needed]", async () => {
  const dataDir = folder();
  const valkey = open({ dataDir });
  expect(await valkey.available()).toBe(true);
  expect(await valkey.unfinished(of("srv_one"))).toBe(false);
  expect(() => statSync(join(dataDir, "valkey"))).toThrow("ENOENT");
  const connection = await signedIn(valkey, "srv_one");
  expect(await connection.command("PING")).toBe("PONG");
  expect(statSync(join(dataDir, "valkey", "s")).mode & 0o777).toBe(0o600);
  expect(statSync(join(dataDir, "valkey")).mode & 0o777).toBe(0o700);
});

test("What was acknowledged is there after Valkey was killed, and the next connection starts it again. [R:tasks.survives-kill]", async () => {
  let pid = 0;
  const valkey = open({ started: (running) => (pid = running) });
  const key = `${prefixOf("srv_one")}kept`;
  const first = await signedIn(valkey, "srv_one");
  await first.command("SET", key, "kept");
  process.kill(pid, "SIGKILL");
  await vi.waitFor(() => expect(first.broken).toBe(true));
  const second = await signedIn(valkey, "srv_one");
  expect(await second.command("GET", key)).toBe("kept");
});

/** Whether a process is there, and not merely waits for its parent to look. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("Valkey ends with the program that was killed, and the next program takes its folder over. [R:tasks.dies-with-parent]", async () => {
  const dataDir = folder();
  const program = (await find())!;
  const script = `
    import { accountForValkey, startValkey } from ${JSON.stringify(join(import.meta.dirname, "../../src/store/valkey/child.ts"))};
    const child = await startValkey({ dataDir: process.argv[1], program: process.argv[2], account: accountForValkey() });
    await (await child.connect()).command("SET", "left", "behind");
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const parent: ChildProcess = spawn(
    process.execPath,
    ["--input-type=module", "-e", script, dataDir, program],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [pid] = (await once(createInterface(parent.stdout!), "line")) as [string];
  parent.kill("SIGKILL");
  const next = await startValkey({ dataDir, program, account: accountForValkey() });
  onTestFinished(() => next.close());
  expect(runs(pid)).toBe(false);
  expect(await (await next.connect()).command("GET", "left")).toBe("behind");
});

test("With VALKEY_URL the same holds at a server that is there already. [R:tasks.valkey-url]", async () => {
  const port = await freePort();
  const child = spawn((await find())!, ["--port", String(port), "--requirepass", "all", "--save", ""], {
    cwd: folder(),
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const valkey = open({ url: `valkey://:all@127.0.0.1:${port}` });
  await vi.waitFor(() => signedIn(valkey, "srv_two"), { timeout: 10_000 });
  const [one, two] = await Promise.all([signedIn(valkey, "srv_one"), signedIn(valkey, "srv_two")]);
  await one.command("SET", `${prefixOf("srv_one")}k`, "mine");
  await expect(two.command("GET", `${prefixOf("srv_one")}k`)).rejects.toThrow("NOPERM");
  const refused = open({ url: `valkey://:wrong@127.0.0.1:${port}` });
  await expect(refused.connect(of("srv_one"))).rejects.toThrow(/VALKEY_URL\) refuses us: WRONGPASS/);
});

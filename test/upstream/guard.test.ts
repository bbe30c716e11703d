import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressKind } from "../../src/upstream/address.ts";
import { createDispatcher } from "../../src/upstream/dispatcher.ts";
import { canonicalHost, createGuard, type GuardOptions, GuardRefused } from "../../src/upstream/guard.ts";

const guardWith = (options: Partial<GuardOptions> = {}) =>
  createGuard({ allow: () => [], own: () => [], trustedHosts: () => [], ...options });

const refusal = async (attempt: Promise<unknown>): Promise<GuardRefused> => {
  const error: unknown = await attempt.then(
    () => new Error("it was let through"),
    (reason: unknown) => reason,
  );
  if (error instanceof GuardRefused) return error;
  if (error instanceof Error && error.cause instanceof GuardRefused) return error.cause;
  throw error;
};

describe("an address is judged by where a packet to it would go", () => {
  it.each([
    ["93.184.215.14", "public"],
    ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "public"],
    ["::ffff:93.184.215.14", "public"],
    ["64:ff9b::5db8:d70e", "public"],
    ["2002:5db8:d70e::1", "public"],
    ["127.0.0.1", "loopback"],
    ["127.9.9.9", "loopback"],
    ["0.0.0.0", "loopback"],
    ["::", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:7f00:1", "loopback"],
    ["::127.0.0.1", "loopback"],
    ["::ffff:0:127.0.0.1", "loopback"],
    ["64:ff9b::127.0.0.1", "loopback"],
    ["2002:7f00:1::", "loopback"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["169.254.1.1", "private"],
    ["fd00::1", "private"],
    ["fe80::1", "private"],
    ["fe80::1%eth0", "private"],
    ["64:ff9b::10.0.0.1", "private"],
    ["::ffff:192.168.0.1", "private"],
    ["169.254.169.254", "metadata"],
    ["::ffff:169.254.169.254", "metadata"],
    ["::ffff:a9fe:a9fe", "metadata"],
    ["64:ff9b::a9fe:a9fe", "metadata"],
    ["2002:a9fe:a9fe::", "metadata"],
    ["100.100.100.200", "metadata"],
    ["fd00:ec2::254", "metadata"],
    ["192.0.2.1", "reserved"],
    ["198.18.0.1", "reserved"],
    ["203.0.113.80", "reserved"],
    ["224.0.0.1", "reserved"],
    ["255.255.255.255", "reserved"],
    ["240.0.0.1", "reserved"],
    ["64:ff9b:1::10.0.0.1", "reserved"],
    ["2001::1", "reserved"],
    ["2001:db8::1", "reserved"],
    ["fec0::1", "reserved"],
    ["ff02::1", "reserved"],
    ["not an address", "reserved"],
  ] as const)("%s is %s", (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  });
});

describe("a host is one host whatever its spelling", () => {
  it.each([
    ["2130706433", "127.0.0.1"],
    ["0x7f000001", "127.0.0.1"],
    ["0x7f.1", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["017700000001", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["127.0.0.1.", "127.0.0.1"],
    ["[::1]", "::1"],
    ["0xa9fea9fe", "169.254.169.254"],
    ["EXAMPLE.com.", "example.com"],
    ["bad host", undefined],
    ["-", "-"],
    ["a/b", undefined],
    ["", undefined],
  ] as const)("%s is %s", (spelled, host) => {
    expect(canonicalHost(spelled)).toBe(host);
  });
});

describe("the guard", () => {
  it.each([
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "0.0.0.0",
  ])("refuses this machine spelled %s, and says that an admin may allow it", async (host) => {
    const refused = await refusal(guardWith().resolve("org", host, 8080));
    expect(refused.why).toBe("loopback");
    expect(refused.message).toContain("--allow-private");
  });

  it("lets exactly the host and port through that an admin allowed", async () => {
    const guard = guardWith({
      allow: (organization) => (organization === "org" ? [{ host: "127.0.0.1", port: 8080 }] : []),
    });
    await expect(guard.resolve("org", "127.0.0.1", 8080)).resolves.toHaveLength(1);
    await expect(guard.resolve("org", "2130706433", 8080)).resolves.toHaveLength(1);
    expect((await refusal(guard.resolve("org", "127.0.0.1", 8081))).why).toBe("loopback");
    expect((await refusal(guard.resolve("org", "127.0.0.2", 8080))).why).toBe("loopback");
    expect((await refusal(guard.resolve("other", "127.0.0.1", 8080))).why).toBe("loopback");
  });

  it("never lets metadata services and our own listeners through, whatever is allowed", async () => {
    const guard = guardWith({
      allow: () => [
        { host: "169.254.169.254", port: 80 },
        { host: "127.0.0.1", port: 9000 },
      ],
      own: () => [{ host: "127.0.0.1", port: 9000 }],
      trustedHosts: () => ["169.254.169.254", "127.0.0.1"],
    });
    expect((await refusal(guard.resolve("org", "169.254.169.254", 80))).why).toBe("metadata");
    expect((await refusal(guard.resolve("org", "127.0.0.1", 9000))).why).toBe("own_listener");
    expect((await refusal(guard.resolve("org", "localhost", 9000))).why).toBe("own_listener");
    expect((await refusal(guard.resolve("org", "0.0.0.0", 9000))).why).toBe("own_listener");
    const named = guardWith({
      own: () => [{ host: "db.example.com", port: 5432 }],
      resolve: async () => [{ address: "93.184.215.14", family: 4 }],
    });
    expect((await refusal(named.resolve("org", "DB.example.com.", 5432))).why).toBe("own_listener");
    expect(await named.resolve("org", "db.example.com", 443)).toHaveLength(1);
  });

  it("refuses a name when any one of its addresses is refused", async () => {
    const guard = guardWith({
      resolve: async () => [
        { address: "93.184.215.14", family: 4 },
        { address: "10.0.0.7", family: 4 },
      ],
    });
    const refused = await refusal(guard.resolve("org", "mixed.example", 443));
    expect(refused.address).toBe("10.0.0.7");
    expect(refused.message).toContain("mixed.example:443 (10.0.0.7)");
  });

  it("lets a package index pass as this machine resolves it, but not to a metadata service", async () => {
    const answers = new Map([
      ["index.example", "203.0.113.80"],
      ["evil-index.example", "169.254.169.254"],
    ]);
    const guard = guardWith({
      trustedHosts: () => answers.keys(),
      resolve: async (host) => [{ address: answers.get(host) ?? "", family: 4 }],
    });
    await expect(guard.resolve("org", "index.example", 443)).resolves.toHaveLength(1);
    expect((await refusal(guard.resolve("org", "evil-index.example", 443))).why).toBe("metadata");
  });

  it.each([0, -1, 65_536, 1.5, Number.NaN])("refuses port %d", async (port) => {
    expect((await refusal(guardWith().resolve("org", "example.com", port))).why).toBe("invalid");
  });
});

describe("the guarded dispatcher", () => {
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer((_request, response) => response.end("reached"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    port = typeof address === "object" && address ? address.port : 0;
  });
  afterAll(() => server.close());

  it("reaches an allowed host through its own checked lookup", async () => {
    const guard = guardWith({
      allow: () => [{ host: "tools.internal", port }],
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    });
    const dispatcher = createDispatcher(guard, "org");
    const response = await request(`http://tools.internal:${port}/`, { dispatcher });
    expect(await response.body.text()).toBe("reached");
    await dispatcher.close();
  });

  it("asks for a name once, and dials what it judged, however the name changes afterwards", async () => {
    let asked = 0;
    const guard = guardWith({
      allow: () => [{ host: "rebind.example", port }],
      resolve: async () => [{ address: asked++ === 0 ? "127.0.0.1" : "169.254.169.254", family: 4 }],
    });
    const dispatcher = createDispatcher(guard, "org");
    const response = await request(`http://rebind.example:${port}/`, { dispatcher });
    expect(await response.body.text()).toBe("reached");
    expect(asked).toBe(1);
    await dispatcher.close();
  });

  it("has its answers judged in the connection's own lookup", async () => {
    const guard = guardWith({ resolve: async () => [{ address: "10.0.0.1", family: 4 }] });
    const error = await new Promise((done) => {
      guard.lookup("org", 443)("rebind.example", { all: true }, done);
    });
    expect(error).toBeInstanceOf(GuardRefused);
  });

  it("refuses a socket that ended up where it may not, even when the lookup was fooled", () => {
    const guard = guardWith();
    expect(() => guard.verify("org", "rebind.example", 80, "127.0.0.1")).toThrow(GuardRefused);
    expect(() => guard.verify("org", "rebind.example", 80, "")).toThrow(GuardRefused);
  });
});

import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { maskOf } from "../../src/runner/mask.ts";

const key = "sk_live_51H8abcdefGHIJKLMNOPqrstuvWXYZabcdefghMNOP0123456789";
const dsn = "postgresql://app_7f3a9c2e:p4ss-w0rd@db.internal.example.com:5432/orders?sslmode=require";
const json = JSON.stringify({
  type: "service_account",
  project: "shop",
  api_token: "abcdefgh",
  id: "9f8e7d6c5b",
});

describe("a variable's value in the words of a failure", () => {
  it("is replaced by the variable's name, whole and in its JSON form", () => {
    const mask = maskOf({ KEY: key, PEM: "-----BEGIN-----\nMIIEvQIBADANBgkq\n-----END-----" });
    expect(mask(`bad key ${key}!`)).toBe("bad key [KEY]!");
    expect(mask("'-----BEGIN-----\\nMIIEvQIBADANBgkq\\n-----END-----'")).toMatch(/^'-*\[PEM\]-*'$/);
  });

  it("is replaced where pydantic shortens it in the middle", () => {
    const mask = maskOf({ KEY: key });
    expect(mask("input_value='sk_live_51H8abcdef...MNOP0123456789', input_type=str")).toBe(
      "input_value='[KEY]...[KEY]', input_type=str",
    );
    // Less than a fragment is left of it.
    expect(mask("input_value={'api_key': 'sk_live_...56789'}, input_type=dict")).not.toContain("sk_live");
  });

  it("is replaced where a text was cut within it", () => {
    const text = `${"x ".repeat(1990)}${key}`;
    for (let length = 3990; length < 4030; length++)
      expect(maskOf({ KEY: key })(`${text.slice(0, length)} …`)).not.toContain("sk_live_");
  });

  it.each([
    ["the user", "app_7f3a9c2e"],
    ["the password", "p4ss-w0rd"],
    ["the host", "db.internal.example.com"],
    ["the end", "example.com:5432/orders?sslmode=require"],
  ])("is replaced where a driver quotes a part of a URL alone: %s", (_what, part) => {
    expect(maskOf({ DATABASE_URL: dsn })(`no: "${part}"`)).toBe('no: "[DATABASE_URL]"');
  });

  it.each(["abcdefgh", "9f8e7d6c5b"])("is replaced where %s of a JSON value is quoted alone", (part) => {
    expect(maskOf({ ACCOUNT: json })(`no: '${part}'`)).toBe("no: '[ACCOUNT]'");
  });

  it("is replaced where it is one of a connection string, and percent-decoded", () => {
    const mask = maskOf({ DSN: "Server=db;Uid=app;Pwd=hunter42!;", URL: "redis://:pa%2Fss%3Dword@cache/0" });
    expect(mask("login with hunter42! failed; pa/ss=word too")).toBe("login with [DSN] failed; [URL] too");
  });

  it("is looked for once: the name that was put in is not rewritten for another variable", () => {
    const mask = maskOf({ SECRET_TOKEN_NAME: "first-value-of-it", OTHER: "SECRET_TOKEN_NAME" });
    expect(mask("it is first-value-of-it")).toBe("it is [SECRET_TOKEN_NAME]");
  });

  it("is named after the variable whose value it is, else after the longest that has it", () => {
    const mask = maskOf({
      A: "https://api.example.com/v1",
      B: "https://api.example.com/v1/secret-path-of-b",
    });
    expect(mask("GET https://api.example.com/v1/secret-path-of-b: 404")).toBe("GET [B]: 404");
    expect(mask("GET https://api.example.com/v1: 404")).toBe("GET [A]: 404");
  });

  it("leaves the words that it shares with any text", () => {
    const mask = maskOf({
      DATABASE_URL: "postgres://postgres:postgres1@localhost:5432/app",
      REGION: "us-east",
      INDENTED: '{\n            "a": "1"\n}',
      LEVEL: "debug",
    });
    const text =
      '            raise ValueError("role postgres on localhost in us-east at debug: no service")\n------------';
    expect(mask(text)).toBe(text);
  });

  it("of any kind leaves no run of 12 characters, and what is of no value stays", () => {
    for (let round = 0; round < 50; round++) {
      const value = randomBytes(20 + (round % 40)).toString("base64");
      const text = `before ${value.slice(round % 5)} between ${value.slice(0, 14)} after`;
      const masked = maskOf({ VALUE: value })(text);
      for (let at = 0; at + 12 <= value.length; at++) expect(masked).not.toContain(value.slice(at, at + 12));
      expect(masked).toMatch(/^before \[VALUE\]=* between \[VALUE\] after$/);
    }
  });

  it("of the largest set is masked in the longest text, which is cut", () => {
    const variables = Object.fromEntries(
      Array.from({ length: 8 }, (_, n) => [`LARGE_${n}`, randomBytes(48 * 1024).toString("base64")]),
    );
    const [first, last] = [variables["LARGE_0"]!, variables["LARGE_7"]!];
    const masked = maskOf(variables)(
      `${first.slice(100)} and ${last.slice(0, 20)} ${"words ".repeat(200_000)}`,
    );
    expect(masked).toMatch(/^\[LARGE_0\] and \[LARGE_7\] words /);
    expect(masked.length).toBeLessThan(110_000);
  });
});

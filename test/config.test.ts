import { describe, expect, it } from "vitest";
import { ConfigError, readEnv, toConfig } from "../src/config.ts";

const publicUrl = (text: string) => toConfig({ ...readEnv({}), publicUrl: text }).publicUrl;

describe("the public URL", () => {
  it.each([
    ["https://mcp.example.com", "https://mcp.example.com"],
    ["https://MCP.example.com:443/", "https://mcp.example.com"],
    ["http://localhost:7400", "http://localhost:7400"],
    ["http://[::1]:7400/", "http://[::1]:7400"],
  ])("%s is kept as the origin that browsers send", (text, origin) => {
    expect(publicUrl(text)).toBe(origin);
  });

  it.each([
    "localhost:7400",
    "mcp.example.com",
    "mcp.example.com:7400",
    "ftp://mcp.example.com",
    "file:///srv",
    "https://mcp.example.com/offing",
    "https://mcp.example.com/?a=b",
    "https://mcp.example.com/#a",
    "https://user@mcp.example.com",
    "https://user:secret@mcp.example.com",
    "https://",
    "null",
  ])("%s is refused, with what is allowed", (text) => {
    expect(() => publicUrl(text)).toThrow(ConfigError);
    expect(() => publicUrl(text)).toThrow(/http:\/\/ or https:\/\/.*such as https:\/\/mcp\.example\.com/);
  });
});

const allowed = (text: string) => toConfig({ ...readEnv({}), allowedOrigins: text }).allowedOrigins;

describe("the origins whose pages may be clients", () => {
  it("are listed with commas or spaces, as browsers send them", () => {
    expect(allowed("")).toEqual([]);
    expect(allowed("https://app.example.com, http://localhost:6274  vscode-webview://abc")).toEqual([
      "https://app.example.com",
      "http://localhost:6274",
      "vscode-webview://abc",
    ]);
    expect(allowed("*")).toEqual(["*"]);
  });

  it.each([
    "app.example.com",
    "https://app.example.com/",
    "https://App.example.com",
    "https://a@b.example",
    "null",
  ])("%s is refused, with what is allowed", (text) => {
    expect(() => allowed(text)).toThrow(ConfigError);
    expect(() => allowed(text)).toThrow(/such as https:\/\/app\.example\.com, or \*/);
  });
});

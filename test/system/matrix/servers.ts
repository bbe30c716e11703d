import type { Files } from "../../fixtures/repositories.ts";
import { fastmcp3, fastmcp4, lowlevel1, mcpserver } from "./sources.ts";

export interface MatrixServer {
  readonly slug: string;
  readonly name: string;
  readonly files: Files;
  /** Set by its owner after the deploy; "auto" where nothing was said. */
  readonly upstreamEra: "auto" | "handshake" | "stateless";
  /** Its tools that ask the client: by requests of their own ("ask"), or by answers that are not complete ("back"). */
  readonly asks: readonly ("ask" | "back")[];
  /** Why subscriptions cannot be had of it. */
  readonly noSubscriptions: string | null;
  /** Why tasks cannot be had of it. */
  readonly noTasks: string | null;
}

const files = (requirements: string, source: string): Files => ({
  "requirements.txt": `${requirements}\n`,
  "main.py": source,
});

const noSubscriptions = "FastMCP has no subscriptions to resources";
const noTasks = "its framework has no tasks of 2026-07-28";

export const servers: readonly MatrixServer[] = [
  {
    slug: "fastmcp-3",
    name: "FastMCP 3, a handshake server",
    files: files("fastmcp>=3,<4", fastmcp3),
    upstreamEra: "auto",
    asks: ["ask"],
    noSubscriptions,
    noTasks,
  },
  {
    slug: "lowlevel-1",
    name: "a low-level server of SDK 1, a handshake server",
    files: files("mcp>=1,<2", lowlevel1),
    upstreamEra: "auto",
    asks: ["ask"],
    noSubscriptions: null,
    noTasks,
  },
  {
    slug: "fastmcp-4",
    name: "FastMCP 4, which speaks both eras",
    files: files("fastmcp[tasks]>=4,<5", fastmcp4),
    upstreamEra: "auto",
    asks: ["ask", "back"],
    noSubscriptions,
    noTasks: null,
  },
  {
    slug: "mcpserver",
    name: "MCPServer, which speaks both eras",
    files: files("mcp>=2,<3\nuvicorn", mcpserver),
    upstreamEra: "auto",
    asks: ["ask", "back"],
    noSubscriptions: null,
    noTasks,
  },
  {
    slug: "mcpserver-stateless",
    name: "MCPServer, kept to the stateless era by its owner",
    files: files("mcp>=2,<3\nuvicorn", mcpserver),
    upstreamEra: "stateless",
    asks: ["back"],
    noSubscriptions: null,
    noTasks,
  },
];

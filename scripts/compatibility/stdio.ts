import { serves, type Package } from "./package.ts";

/** Programs that only speak over stdio, without an SDK or with their own framework. */
export const stdio: readonly Package[] = [
  {
    name: "crosstalk-mcp-server",
    version: "1.1.10",
    sha256: "e7cb4407d564f0b7f8a4b0b9b854cbf925cc0c5832d57b302d04d2772f348a63",
    by: "Vaibhav Verma",
    about: "standard library only, hand-written stdio; its own module is named mcp",
    expected: serves(14, ["list_groups", { caller_name: "me" }, '"groups": []']),
  },
  {
    name: "chuk-mcp-math-server",
    version: "0.3.3",
    sha256: "31a50187d0c1a9b822353f1fc89ac094d0e79dc5e2471c40d7af904cba24a727",
    by: "Chuk AI Team",
    about: "its own framework over stdio (chuk-mcp-server); six programs",
    expected: serves(100, ["add", { a: 40, b: 2 }, "42"]),
  },
  {
    name: "aiomcp-server-time",
    version: "0.0.1",
    sha256: "004ca266b8eb5381a3cbc24920b177bb0d54a191d33e79da7717459353dfce35",
    by: "the authors of aiomcp",
    about: "its own framework over stdio (aiomcp)",
    expected: serves(2, [
      "convert_time",
      { source_timezone: "Europe/Warsaw", time: "16:30", target_timezone: "Asia/Tokyo" },
      "Asia/Tokyo",
    ]),
  },
];

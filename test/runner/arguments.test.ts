import { describe, expect, test } from "vitest";
import { failureOf } from "./failing.ts";

const program = (body: string) => `import argparse, sys

def main():
    parser = argparse.ArgumentParser("tool")
${body.replace(/^/gm, "    ")}

if __name__ == "__main__":
    main()
`;

describe("A program that ends because it wants arguments says which, and where to give them", () => {
  test.each([
    {
      what: "a required option",
      body: 'parser.add_argument("--db-path", required=True)\nparser.parse_args()',
      wants: "the following arguments are required: --db-path",
      edit: '{"deployment": {"args": ["--db-path", "…"]}}',
    },
    {
      what: "a required position",
      body: 'parser.add_argument("transport")\nparser.parse_args()',
      wants: "the following arguments are required: transport",
      edit: '{"deployment": {"args": ["…"]}}',
    },
    {
      what: "an option in click's words",
      body: "print(\"Usage: tool [OPTIONS]\\n\\nError: Missing option '--api-url'.\", file=sys.stderr)\nsys.exit(2)",
      wants: "Missing option '--api-url'",
      edit: '{"deployment": {"args": ["--api-url", "…"]}}',
    },
    {
      what: "a subcommand, for which it only prints its help",
      body: 'parser.add_argument("--header", metavar="HEADER_KEY", help="an environment variable must be set")\nparser.print_help()',
      wants: "it printed how it is used",
      edit: '{"deployment": {"args": ["…"]}}',
    },
  ])("$what", async ({ what, body, wants, edit }) => {
    const error = await failureOf({ what, files: { "main.py": program(body) } });
    expect(error).toMatchObject({
      code: "arguments_missing",
      missing: [],
      message: `Loading main.py gave no server object, and main.py wants other arguments than it was run with: ${wants}.`,
    });
    expect(error.hint).toContain(`Give them in a file fastmcp.json at the root of the repository: ${edit}`);
  });
});

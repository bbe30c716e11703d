import { describe, expect, test } from "vitest";
import { failureOf, lifespan } from "./failing.ts";

describe("a traceback", () => {
  test("shows causes in order, each with the author's frames only", async () => {
    const { traceback } = await failureOf({
      what: "",
      files: {
        "main.py": "import deep\n",
        "deep.py":
          "import json\ntry:\n    json.loads('{')\nexcept ValueError as error:\n    raise RuntimeError('no settings') from error\n",
      },
    });
    expect(traceback).toMatch(
      /File "deep\.py", line 3[^]*JSONDecodeError[^]*direct cause[^]*File "main\.py", line 1[^]*RuntimeError: no settings$/,
    );
    expect(traceback).not.toMatch(/decoder\.py|offing_runtime|importlib/);
  });

  test("takes groups apart", async () => {
    const error = await failureOf({
      what: "",
      files: {
        "main.py": lifespan(`import anyio
async def one():
    raise RuntimeError("the pool is closed")
async with anyio.create_task_group() as tasks:
    tasks.start_soon(one)`),
      },
    });
    expect(error.message).toBe("RuntimeError while starting the server (its lifespan): the pool is closed");
    expect(error.traceback).toContain('in one\n    raise RuntimeError("the pool is closed")');
    expect(error.traceback).not.toContain("site-packages");
  });

  test("of an endless recursion stays short", async () => {
    const { traceback } = await failureOf({
      what: "",
      files: { "main.py": "def f():\n    return f()\nf()\n" },
    });
    expect(traceback!.split("\n").length).toBeLessThan(80);
    expect(traceback).toMatch(/more calls/);
  });

  test("and its message hold no value of a variable", async () => {
    const url = "postgres://app:s3cret-passw0rd@db.example.com/app";
    const error = await failureOf({
      what: "",
      files: {
        "main.py":
          "import os\nprint(os.environ['TOKEN_OF_MINE'])\nraise ValueError(f\"bad: {os.environ['DATABASE_URL']} {os.environ['TOKEN_OF_MINE']!r} s3cret-passw0rd\")\n",
      },
      variables: { DATABASE_URL: url, TOKEN_OF_MINE: "line one of it\nline two of it" },
    });
    const all = JSON.stringify([error.message, error.traceback, error.hint, error.output]);
    expect(all).toContain("[DATABASE_URL]");
    expect(all).toContain("[TOKEN_OF_MINE]");
    for (const part of [url, "s3cret-passw0rd", "line one of it", "line two of it"])
      expect(all).not.toContain(part);
  });
});

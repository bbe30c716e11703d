import { describe, expect, test } from "vitest";
import { type Case, failureOf } from "./failing.ts";

describe("no variable is called missing for", () => {
  test.each<Case>([
    {
      what: "an exception that names a variable which is set",
      files: {
        "main.py":
          'import os\nraise ValueError("LOG_LEVEL must be one of a, b: " + os.getenv("LOG_LEVEL"))\n',
      },
      variables: { LOG_LEVEL: "c" },
    },
    {
      what: "words in capitals",
      files: { "main.py": 'import os\nos.getenv("X")\nraise ValueError("The JSON must have an HTTP URL")\n' },
    },
    {
      what: "a failure below a test of the environment",
      files: {
        "main.py": `import os
def setup():
    raise RuntimeError("out of luck")
if not os.getenv("DEBUG_MODE"):
    setup()
`,
      },
    },
    {
      what: "a refusal because one is set",
      files: {
        "main.py":
          'import os\nif os.getenv("OLD_KEY") or not os.getenv("OFF"):\n    setting = {}\n    raise TypeError("no more")\n',
      },
      variables: { OLD_KEY: "set", OFF: "1" },
    },
    {
      what: "a name that Python does not know",
      files: { "main.py": 'import os\nos.getenv("API_KEY")\nAPI_KEY\n' },
    },
    {
      what: "a word of the message that the source has as another string",
      files: {
        "main.py": `import os
TOKEN = os.environ.get("API_TOKEN", "x")
def request(method, path):
    raise RuntimeError(f"{method} {path}: model not found")
request("GET", "/v1/models")
`,
      },
    },
    {
      what: "a word in capitals beside a read",
      files: {
        "main.py":
          'import os\nHOST = os.getenv("HOST_NAME", "JSON")\nFORMAT = "JSON"\nraise ValueError("schema.txt must be valid JSON")\n',
      },
    },
    {
      what: "the level of a log line on stderr",
      files: {
        "main.py": `import os, sys
URL = os.environ.get("SERVICE_URL", "http://x")
LEVEL = "ERROR"
if __name__ == "__main__":
    print("ERROR: the model file was not found", file=sys.stderr)
    sys.exit(3)
`,
      },
    },
    {
      what: "a key of a dict with the name of a variable",
      files: {
        "main.py": 'import os\nENVIRONMENTS = {}\nR = os.getenv("REGION")\nENVIRONMENTS["REGION"]\n',
      },
    },
    {
      what: "an optional argument beside the one that is refused",
      files: {
        "main.py": `import os
class Client:
    def __init__(self, model, organization=None):
        raise ValueError(f"model {model} not found")
client = Client("gpt-9", organization=os.getenv("OPENAI_ORG_ID"))
`,
      },
    },
    {
      what: "a test around a program that ended well",
      files: {
        "main.py":
          'import os, sys\ndef main():\n    return 0\nif not os.getenv("DEBUG"):\n    sys.exit(main())\n',
      },
    },
    {
      what: "a test around a program that ended with a code of its own",
      files: {
        "main.py":
          'import os, sys\ndef main():\n    return 4\nif not os.getenv("DEBUG"):\n    sys.exit(main())\n',
      },
    },
    { what: "a key of a dict", files: { "main.py": 'import os\nos.environ.get("A")\n{}["NOT_THERE"]\n' } },
  ])("$what", async (one) => {
    expect((await failureOf(one)).missing).toEqual([]);
  });
});

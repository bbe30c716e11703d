import { describe, expect, test } from "vitest";
import { type Case, failureOf, lifespan } from "./failing.ts";

const missing: (Case & { readonly names: readonly string[] })[] = [
  {
    what: "os.environ[…], and every other that the same place needs",
    files: {
      "main.py": `import os
A = os.environ["FIRST_KEY"]
B = os.environ["SECOND_KEY"]
C = os.environ.get("OPTIONAL", "x")
if os.environ.get("DEBUG"):
    D = os.environ["DEBUG_KEY"]
try:
    E = os.environ["TRIED"]
except KeyError:
    E = None
def later():
    return os.environ["LATER"]
`,
    },
    names: ["FIRST_KEY", "SECOND_KEY"],
  },
  {
    what: "one of several, where the others are set",
    files: { "main.py": 'import os\nA = os.environ["SET_KEY"]\nB = os.environ["UNSET_KEY"]\n' },
    variables: { SET_KEY: "here" },
    names: ["UNSET_KEY"],
  },
  {
    what: "a library that reads the environment for the author",
    files: {
      "main.py": "import client\nclient.connect()\n",
      "client.py":
        "def connect():\n    raise ValueError('The api_key must be set either by passing it or by setting the ACME_API_KEY environment variable')\n",
    },
    names: ["ACME_API_KEY"],
  },
  {
    what: "getenv and a test that raises in words without the name",
    files: {
      "main.py": `import os
KEY = os.getenv("SERVICE_KEY")
URL = os.getenv("SERVICE_URL")
if not KEY:
    raise ValueError("Please configure the service first")
if URL is None:
    raise ValueError("And the address")
`,
    },
    names: ["SERVICE_KEY", "SERVICE_URL"],
  },
  {
    what: "a list of required names that the message joins",
    files: {
      "main.py": `import os
REQUIRED = ["DB_HOST", "DB_USER", "DB_PORT"]
absent = [name for name in REQUIRED if not os.getenv(name)]
if absent:
    raise RuntimeError(f"Missing required configuration: {', '.join(absent)}")
`,
    },
    variables: { DB_PORT: "5432" },
    names: ["DB_HOST", "DB_USER"],
  },
  {
    what: "a message on stderr and sys.exit(1)",
    files: {
      "main.py": `import os, sys
TOKEN = os.environ.get("BOT_TOKEN")
def check():
    if not TOKEN:
        print("no token, giving up", file=sys.stderr)
        sys.exit(1)
check()
`,
    },
    names: ["BOT_TOKEN"],
  },
  {
    what: "sys.exit with the message, after a KeyError",
    files: {
      "main.py": `import os, sys
try:
    KEY = os.environ["EXIT_KEY"]
except KeyError:
    sys.exit("cannot go on")
`,
    },
    names: ["EXIT_KEY"],
  },
  {
    what: "an assertion",
    files: { "main.py": 'import os\nassert os.getenv("ASSERTED"), "set it"\n' },
    names: ["ASSERTED"],
  },
  {
    what: "None where a value was expected, in the same statement",
    files: { "main.py": 'import os\nHOSTS = os.getenv("HOSTS_LIST").split(",")\n' },
    names: ["HOSTS_LIST"],
  },
  {
    what: "an object's attribute that is tested",
    files: {
      "main.py": `import os
class Config:
    def __init__(self):
        self.key = os.getenv("OBJECT_KEY")
        if not self.key:
            raise ValueError("incomplete")
Config()
`,
    },
    names: ["OBJECT_KEY"],
  },
  {
    what: "pydantic-settings, with a prefix, an alias and a nested model",
    requirements: ["fastmcp>=4,<5", "pydantic-settings"],
    files: {
      "main.py": `from pydantic import AliasChoices, BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

class Database(BaseModel):
    host: str

class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_", env_nested_delimiter="__")
    api_key: str
    token: str = Field(validation_alias=AliasChoices("GH_TOKEN", "GITHUB_TOKEN"))
    port: int = 80
    database: Database

settings = Settings(database={})
`,
    },
    names: ["APP_API_KEY", "GH_TOKEN", "APP_DATABASE__HOST"],
  },
  {
    what: "one of two that would do",
    files: {
      "main.py": `import os
if not os.getenv("FIRST_CHOICE") and not os.getenv("SECOND_CHOICE"):
    raise SystemExit("give me one")
`,
    },
    names: ["FIRST_CHOICE"],
  },
  {
    what: "two that are both tested in one line",
    files: {
      "main.py": `import os, sys
USER = os.environ.get("APP_USER")
WORD = os.environ.get("APP_WORD", "")
if not all([USER, WORD]) or "APP_ID" not in os.environ:
    sys.exit(1)
`,
    },
    names: ["APP_USER", "APP_WORD", "APP_ID"],
  },
  {
    what: "python-decouple and environs",
    requirements: ["fastmcp>=4,<5", "python-decouple", "environs"],
    files: {
      "main.py": `from decouple import config
try:
    config("DECOUPLED_KEY")
except Exception as error:
    first = error
from environs import Env
try:
    Env().str("ENVIRONS_KEY")
except Exception as error:
    raise ExceptionGroup("both", [first, error]) if hasattr(__builtins__, "ExceptionGroup") else first
`,
    },
    names: ["DECOUPLED_KEY"],
  },
  {
    what: "a factory that needs it",
    files: { "main.py": 'import os\ndef make():\n    return os.environ["FACTORY_KEY"]\n' },
    object: "make",
    names: ["FACTORY_KEY"],
  },
  {
    what: "a lifespan that needs it",
    files: { "main.py": lifespan('key = os.environ["LIFE_KEY"]\nother = os.environ["OTHER_KEY"]') },
    names: ["LIFE_KEY", "OTHER_KEY"],
  },
  {
    what: "a client of a library that was given nothing",
    files: {
      "main.py": `import os
from client import Client
client = Client(api_key=os.getenv("CLIENT_KEY"), retries=int(os.getenv("RETRIES", "3")))
`,
      "client.py":
        "class Client:\n    def __init__(self, api_key, retries):\n        if not api_key:\n            raise ValueError('api_key is required')\n",
    },
    names: ["CLIENT_KEY"],
  },
  {
    what: "an option of a command line that is read from it",
    files: {
      "main.py": `import sys
def option(*names, envvar): pass
option("--key", envvar="OPTION_KEY")
print("Error: Missing option '--key'.", file=sys.stderr)
sys.exit(2)
`,
    },
    names: ["OPTION_KEY"],
  },
  {
    what: "a client that was made of it, and then used",
    files: {
      "main.py": `import os
from client import Client
client = Client(os.environ.get("CLIENT_URL"))
client.ping()
`,
      "client.py":
        "class Client:\n    def __init__(self, url):\n        pass\n    def ping(self):\n        raise ConnectionRefusedError('localhost:27017: connection refused')\n",
    },
    names: ["CLIENT_URL"],
  },
  {
    what: "a connection to what it was given, which is nothing",
    files: {
      "main.py": `import os
DATABASE = os.environ.get("DATABASE_URL")
def connect(url):
    raise OSError('connection to server on socket "/var/run/s" failed: No such file')
def start():
    with connect(DATABASE):
        os.environ["ALSO_NEEDED"]
start()
`,
    },
    names: ["DATABASE_URL", "ALSO_NEEDED"],
  },
  {
    what: "a program that says so and ends",
    files: {
      "main.py": `import os, sys

def main():
    settings = {name: os.environ.get(name) for name in ("PROGRAM_TOKEN", "PROGRAM_URL")}
    if not all(settings.values()):
        print("please set PROGRAM_TOKEN and PROGRAM_URL", file=sys.stderr)
        return 1

if __name__ == "__main__":
    sys.exit(main())
`,
    },
    names: ["PROGRAM_TOKEN", "PROGRAM_URL"],
  },
  {
    what: "a program that reads it when it is run",
    files: {
      "main.py": 'import os\nif __name__ == "__main__":\n    token = os.environ["RUN_TOKEN"]\n',
    },
    names: ["RUN_TOKEN"],
  },
  {
    what: "a name that a function of another file is asked for",
    files: {
      "main.py": 'from settings import need\nURL = need("SEARCH_URL")\nKEY = need(name="SEARCH_KEY")\n',
      "settings.py": `import os
KEYS = {"SEARCH_URL": "an address"}
def need(name):
    value = os.environ.get(name)
    if value is None:
        raise RuntimeError(f"{name} is required")
    return value
`,
    },
    names: ["SEARCH_URL"],
  },
  {
    what: "a parameter that was handed over by its position",
    files: {
      "main.py": 'import os\nfrom client import Client\nclient = Client("x", os.getenv("ACME"))\n',
      "client.py":
        "class Client:\n    def __init__(self, model, api_key):\n        raise ValueError('An API key is required for ' + model)\n",
    },
    names: ["ACME"],
  },
  {
    what: "a setting that is optional until it is needed",
    requirements: ["fastmcp>=4,<5", "pydantic-settings"],
    files: {
      "main.py": `from pydantic_settings import BaseSettings
class Settings(BaseSettings):
    search_key: str | None = None
if Settings().search_key is None:
    raise RuntimeError("SEARCH_KEY must be set")
`,
    },
    names: ["SEARCH_KEY"],
  },
  {
    what: "another exception raised from it",
    files: {
      "main.py": `import os
try:
    KEY = os.environ["CAUSE_KEY"]
except KeyError as error:
    raise RuntimeError("configuration is incomplete") from error
`,
    },
    names: ["CAUSE_KEY"],
  },
];

describe("missing variables are named", () => {
  test.each(missing)("$what", async ({ names, ...one }) => {
    const error = await failureOf(one);
    expect(error.missing).toEqual(names);
    expect(error.code).toBe("variable_missing");
    expect(error.message).toMatch(/^The environment variables? .* (is|are) not set\./);
    for (const name of names) {
      expect(error.message).toContain(name);
      expect(error.hint).toContain(`${name}=VALUE`);
    }
  });
});

import { describe, expect, test } from "vitest";
import { type Case, failureOf, lifespan } from "./failing.ts";
import { fastmcp3, mcpserver } from "./harness.ts";

const others: (Case & { readonly code: string; readonly message: RegExp; readonly hint: RegExp })[] = [
  {
    what: "a module whose package has another name, in a requirements.txt",
    files: {
      "main.py": "import yaml_of_nowhere, yaml\n".replace("yaml_of_nowhere, ", ""),
      "requirements.txt": "x\n",
    },
    requirements: ["uvicorn"],
    code: "module_missing",
    message: /^The module 'yaml' is not installed\.$/,
    hint: /^Add the line PyYAML to requirements\.txt/,
  },
  {
    what: "a module of a namespace, in a pyproject.toml with a lock",
    files: { "main.py": "import google.cloud.storage\n", "pyproject.toml": "[project]\n", "uv.lock": "" },
    code: "module_missing",
    message: /^The module 'google\.cloud\.storage' is not installed\.$/,
    hint: /^Add "google-cloud-storage" to dependencies of \[project\] in pyproject\.toml \(uv add google-cloud-storage\), the package that provides it/,
  },
  ...(
    [
      ["from google import genai", "google.genai", "google-genai"],
      ["from google.oauth2 import service_account", "google.oauth2", "google-auth"],
      ["import google.protobuf.message", "google.protobuf", "protobuf"],
      ["from googleapiclient.discovery import build", "googleapiclient", "google-api-python-client"],
      ["import os, azure.storage.blob", "azure.storage.blob", "azure-storage-blob"],
      ["from azure.identity import (\n  DefaultAzureCredential,\n)", "azure.identity", "azure-identity"],
      ["import snowflake.connector as c", "snowflake.connector", "snowflake-connector-python"],
      ["import importlib\nimportlib.import_module('snowflake.ml')", "snowflake.ml", "snowflake-ml-python"],
    ] as const
  ).map(([line, module, provider]) => ({
    what: `the package of a namespace that has ${module}`,
    files: { "main.py": `${line}\n`, "requirements.txt": "mcp\n" },
    code: "module_missing",
    message: new RegExp(`^The module '${module}' is not installed\\.$`),
    hint: new RegExp(`^Add the line ${provider} to requirements\\.txt, the package that provides it, and`),
  })),
  {
    what: "a part of a namespace of which another package is installed",
    files: {
      "main.py": "import sys\nsys.path.append('lib')\nfrom google import genai\n",
      "requirements.txt": "protobuf\n",
      "lib/google/protobuf/__init__.py": "",
      "lib/protobuf-5.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: protobuf\nVersion: 5.0\n",
      "lib/protobuf-5.0.dist-info/RECORD": "google/protobuf/__init__.py,,\n",
    },
    code: "module_missing",
    message: /^The module 'google\.genai' is not installed\.$/,
    hint: /^Add the line google-genai to requirements\.txt/,
  },
  {
    what: "a namespace alone",
    files: { "main.py": "import google\n", "requirements.txt": "mcp\n" },
    code: "module_missing",
    message: /^The module 'google' is not installed\.$/,
    hint: /^Several packages share that name/,
  },
  {
    what: "a module whose package is a guess",
    files: { "main.py": "import numpy_of_nowhere\n", "requirements.txt": "mcp\n" },
    code: "module_missing",
    message: /^The module 'numpy_of_nowhere' is not installed\.$/,
    hint: /^Add the line numpy-of-nowhere to requirements\.txt, probably the package that provides it/,
  },
  {
    what: "the metadata of the repository's own package",
    files: {
      "main.py": "from importlib.metadata import version\nversion('my_server')\n",
      "pyproject.toml": '[project]\nname = "my-server"\n',
    },
    code: "metadata_missing",
    message: /^The package my_server is not installed under that name, so its version and metadata/,
    hint: /^It is the repository's own: give pyproject\.toml a \[build-system\]/,
  },
  {
    what: "the metadata of another package",
    files: {
      "main.py": "from importlib.metadata import version\nversion('acme')\n",
      "requirements.txt": "mcp\n",
    },
    code: "metadata_missing",
    message: /^The package acme is not installed under that name/,
    hint: /^Add the line acme to requirements\.txt; or catch importlib\.metadata\.PackageNotFoundError/,
  },
  {
    what: "a module that is missing in a script with a header",
    files: {
      "main.py": '# /// script\n# dependencies = ["fastmcp"]\n# ///\nimport bs4\n',
    },
    code: "module_missing",
    message: /^The module 'bs4' is not installed\.$/,
    hint: /^Add "beautifulsoup4" to dependencies in the header of main\.py/,
  },
  {
    what: "a module of the repository in a folder that is not on the path",
    files: { "app/main.py": "import helpers\n", "lib/helpers.py": "X = 1\n" },
    entrypoint: "app/main.py",
    code: "module_missing",
    message:
      /^The module 'helpers' is in the repository, but the folder that holds it \(lib\) is not on the path\.$/,
    hint: /sys\.path\.insert\(0, str\(Path\(__file__\)\.resolve\(\)\.parent\.parent \/ "lib"\)\)/,
  },
  {
    what: "an import that only the SDK 1 has, with the line to change",
    files: { "main.py": "from mcp.server.fastmcp import FastMCP\n", "requirements.txt": "mcp[cli]>=1.2.0\n" },
    requirements: mcpserver,
    code: "version_mismatch",
    message: /^The installed mcp 2\.\S+ has no module 'mcp\.server\.fastmcp'\.$/,
    hint: /In requirements\.txt, write mcp\[cli\]>=1\.2\.0,<2 in the place of mcp\[cli\]>=1\.2\.0/,
  },
  {
    what: "an import that only the SDK 2 has",
    files: {
      "main.py": "from mcp.server import MCPServer\n",
      "pyproject.toml": '[project]\ndependencies = ["mcp==1.9"]\n',
    },
    requirements: fastmcp3,
    code: "version_mismatch",
    message: /^The installed mcp 1\.\S+ has no 'MCPServer' in mcp\.server\.$/,
    hint: /In pyproject\.toml, write mcp>=2 in the place of mcp==1\.9/,
  },
  {
    what: "a method that only the SDK 1 has",
    files: {
      "main.py":
        "from mcp.server.lowlevel import Server\nserver = Server('x')\n@server.list_tools()\nasync def tools():\n    return []\n",
    },
    requirements: mcpserver,
    code: "version_mismatch",
    message: /^The installed mcp 2\.\S+ has no 'list_tools'/,
    hint: /Make a requirements\.txt with the line mcp<2/,
  },
  {
    what: "a method that only the SDK 1 has, in a program with a console script",
    files: {
      "date_server/__init__.py": "",
      "date_server/server.py":
        'from mcp.server import Server\nserver = Server("x")\n@server.list_tools()\nasync def tools():\n    return []\n',
      "pyproject.toml": '[project]\nname = "date-server"\ndependencies = ["mcp>=0.9.0"]\n',
    },
    entrypoint: "date_server/server.py",
    requirements: mcpserver,
    code: "version_mismatch",
    message: /^The installed mcp 2\.\S+ has no 'list_tools'/,
    hint: /In pyproject\.toml, write mcp>=0\.9\.0,<2 in the place of mcp>=0\.9\.0/,
  },
  {
    what: "an argument that FastMCP took before",
    files: {
      "main.py": "from fastmcp import FastMCP\nmcp = FastMCP('x', host='0.0.0.0')\n",
      "requirements.txt": "fastmcp\n",
    },
    code: "version_mismatch",
    message: /^The installed fastmcp 4\.\S+ refuses an argument: FastMCP\(\) no longer accepts `host`/,
    hint: /^Take the argument out; or, .*write fastmcp<4 in the place of fastmcp/,
  },
  {
    what: "a name that another version of a package has",
    files: {
      "main.py": "from pydantic import parse_everything_as\n",
      "requirements.txt": "fastmcp\npydantic>=2\n",
    },
    code: "version_mismatch",
    message: /^The installed pydantic 2\.\S+ has no 'parse_everything_as' in pydantic\.$/,
    hint: /in requirements\.txt, give pydantic>=2 the version that it needs/,
  },
  {
    what: "an event loop within another",
    files: { "main.py": "import asyncio\ndef make():\n    asyncio.run(asyncio.sleep(0))\n" },
    object: "make",
    code: "import_failed",
    message: /cannot be called from a running event loop/,
    hint: /make the function async def/,
  },
  {
    what: "arguments parsed at import",
    files: {
      "main.py":
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--path', required=True)\np.parse_args()\n",
    },
    code: "program_ended",
    message: /^The program parses a command line while importing main\.py/,
    hint: /give --path in fastmcp\.json: "deployment": \{"args"/,
  },
  {
    what: "sys.exit without a reason",
    files: { "main.py": "import sys\nprint('goodbye')\nsys.exit(3)\n" },
    code: "program_ended",
    message: /ended itself while importing main\.py \(exit code 3\).*It said: goodbye/,
    hint: /__main__/,
  },
  {
    what: "a write beside the code",
    files: { "main.py": "open('state.json', 'w')\n" },
    code: "code_read_only",
    message: /^state\.json cannot be written: the code's folder is read-only where it runs\.$/,
    hint: /Path\(tempfile\.gettempdir\(\)\) \/ "state\.json"/,
  },
  {
    what: "a log file beside the code",
    files: {
      "main.py":
        "import logging, os\nlogging.basicConfig(filename=os.path.join(os.path.dirname(__file__), 'server.log'))\n",
    },
    code: "code_read_only",
    message: /^server\.log cannot be written/,
    hint: /"server\.log"/,
  },
  {
    what: "a SQLite database beside the code",
    files: {
      "main.py": "import sqlite3\ndb = sqlite3.connect('notes.db')\ndb.execute('create table a (b)')\n",
    },
    code: "code_read_only",
    message: /^The database file notes\.db cannot be written/,
    hint: /"notes\.db"/,
  },
  {
    what: "a file opened as if the entrypoint's folder were the current one",
    files: { "tools/main.py": "open('data.json')\n", "tools/data.json": "{}" },
    entrypoint: "tools/main.py",
    code: "file_missing",
    message: /^data\.json was not found: .* and the file is tools\/data\.json\.$/,
    hint: /Path\(__file__\)\.parent \/ "data\.json"/,
  },
  {
    what: "a file that is not in the repository",
    files: { "main.py": "open('credentials.json')\n" },
    code: "file_missing",
    message: /^The file credentials\.json does not exist/,
    hint: /\.\/offing env set SERVER NAME=- < credentials\.json/,
  },
  {
    what: "a database on localhost, in a lifespan",
    files: { "main.py": lifespan("import socket\nsocket.create_connection(('localhost', 5432))") },
    code: "connection_failed",
    message: /^The server could not connect to localhost(:5432)? when it started\.$/,
    hint: /sandbox of the server itself/,
  },
  {
    what: "a host on this machine by default, with the variable that names another",
    files: {
      "main.py":
        "import os, socket\nsocket.create_connection((os.getenv('CACHE_HOST', 'localhost'), 6379))\n",
    },
    code: "connection_failed",
    message: /^The server could not connect to localhost/,
    hint: /\.\/offing env set SERVER CACHE_HOST=VALUE/,
  },
  {
    what: "a connection with a variable beside its host that is not set",
    files: {
      "main.py": `import os
class Db:
    def __init__(self, host, user=None):
        raise OSError("connection refused: " + host)
db = Db("db.internal", user=os.getenv("DB_USER"))
`,
    },
    code: "connection_failed",
    message: /^The server could not connect/,
    hint: /DB_USER, which that line was given, is not set\.$/,
  },
  {
    what: "a folder of the author's machine",
    files: { "main.py": "open('/home/ada/notes.txt')\n" },
    code: "file_missing",
    message: /^\/home\/ada\/notes\.txt does not exist: a server sees its own files only/,
    hint: /Path\(__file__\)\.parent/,
  },
  {
    what: "a driver's words on a host",
    files: {
      "main.py":
        "class OperationalError(Exception): pass\nraise OperationalError('connection to server at \"db.example.com\" (10.0.0.1), port 5432 failed: Connection refused')\n",
    },
    code: "connection_failed",
    message: /^The server could not connect to db\.example\.com when it started\.$/,
    hint: /first call that needs it/,
  },
  {
    what: "a native library",
    files: {
      "main.py":
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n",
      "requirements.txt": "opencv-python\n",
    },
    code: "library_missing",
    message: /^The native library libGL is not there\.$/,
    hint: /^Add the line opencv-python-headless to requirements\.txt, and take opencv-python out/,
  },
  {
    what: "memory",
    files: { "main.py": "raise MemoryError()\n" },
    code: "out_of_memory",
    message: /all of its memory/,
    hint: /OFFING_MEMORY_MB=2048/,
  },
];

describe("what to change is said for", () => {
  test.each(others)("$what", async ({ code, message, hint, ...one }) => {
    const error = await failureOf(one);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint ?? "").toMatch(hint);
    expect(error.missing).toEqual([]);
  });
});

import { expect, test } from "vitest";
import { failureOf } from "./failing.ts";

test("settings whose defaults are read from the environment name the variable that is not set", async () => {
  const error = await failureOf({
    what: "pydantic-settings",
    requirements: ["fastmcp>=4,<5", "pydantic-settings"],
    files: {
      "main.py": `import os
from pydantic_settings import BaseSettings, SettingsConfigDict

class Settings(BaseSettings):
    model_config = SettingsConfigDict(validate_default=True)
    CLIENT_ID: str = os.getenv("CLIENT_ID")
    CLIENT_NAME: str = os.getenv("CLIENT_NAME", "x")

settings = Settings()
`,
    },
  });
  expect(error).toMatchObject({ code: "variable_missing", missing: ["CLIENT_ID"] });
});

import { runCli } from "./cli/main.ts";
import { up } from "./main/up.ts";

const [command, ...rest] = process.argv.slice(2);

switch (command) {
  case "up":
    process.exitCode = await up(rest, process.env);
    break;
  case "test": {
    const { test } = await import("./main/test.ts");
    process.exitCode = await test(rest, process.env);
    break;
  }
  default:
    process.exitCode = await runCli(process.argv.slice(2), process.env);
}

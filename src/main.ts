const argv = process.argv.slice(2);

// Each entry is loaded when it is asked for: a command should not wait for the program.
if (argv[0] === "up") {
  const { up } = await import("./main/up.ts");
  process.exitCode = await up(argv.slice(1), process.env);
} else if (argv[0] === "test") {
  const { test } = await import("./main/test.ts");
  process.exitCode = await test(argv.slice(1), process.env);
} else if (argv[0] === "doctor") {
  const { doctor } = await import("./main/doctor.ts");
  process.exitCode = await doctor(argv.slice(1), process.env);
} else {
  const { runCli } = await import("./cli/main.ts");
  process.exitCode = await runCli(argv, process.env);
}

import type { Explained, Said } from "./explained.ts";
import { placesOf } from "./names.ts";

/** Headers and programs whose absence stops a compilation, with the Debian package that has them. */
const SYSTEM: Readonly<Record<string, string>> = {
  "Python.h": "python3-dev",
  "portaudio.h": "portaudio19-dev",
  "ffi.h": "libffi-dev",
  "openssl/ssl.h": "libssl-dev",
  "libpq-fe.h": "libpq-dev",
  "mysql.h": "default-libmysqlclient-dev",
  "libxml/xpath.h": "libxml2-dev libxslt1-dev",
  "jpeglib.h": "libjpeg-dev",
  "zlib.h": "zlib1g-dev",
  "ldap.h": "libldap-dev",
  "sasl/sasl.h": "libsasl2-dev",
  "gmp.h": "libgmp-dev",
  "cairo.h": "libcairo2-dev",
  "sndfile.h": "libsndfile1-dev",
  "bluetooth/bluetooth.h": "libbluetooth-dev",
  "usb.h": "libusb-dev",
  "git2.h": "libgit2-dev",
  pg_config: "libpq-dev",
  mysql_config: "default-libmysqlclient-dev",
  "pkg-config": "pkg-config",
  cmake: "cmake",
  gcc: "build-essential",
  "g++": "build-essential",
  cc: "build-essential",
  make: "build-essential",
  gfortran: "gfortran",
  rustc: "rustc",
  cargo: "cargo",
  "llvm-config": "llvm-dev",
};

/** Wheels that stand in for what compiles. */
const WHEELS: Readonly<Record<string, string>> = {
  psycopg2: "psycopg2-binary",
  mysqlclient: "pymysql",
  pyaudio: "sounddevice",
};

/** A back-end that failed on somebody's package; null where uv says something else. */
export function explainBuild(said: Said): Explained | null {
  const { text, causes, origins } = said;
  if (!/Failed to build|build backend|build_wheel|prepare_metadata|egg_info/i.test(text)) return null;
  const what = /Failed to (?:download and )?build `([^`]{1,300})`/.exec(text)?.[1] ?? null;
  const name = what === null ? null : (/^[A-Za-z0-9][\w.-]*/.exec(what)?.[0] ?? null);
  const place = name === null ? "" : placesOf(name, origins);
  const asked = place === "" ? "" : `, which ${place} asks for or needs`;
  const folder = /(?:^| @ )file:\/\/(\S+)$/.exec(what ?? "")?.[1];
  const subject =
    what === null
      ? "A folder of the repository"
      : /^\/?build\/source/.test(what)
        ? "The project itself"
        : folder === undefined
          ? what
          : `The folder ${folder}`;
  const traceback = essence(text);
  const system = missingSystem(text);
  if (system) {
    const wheel = name === null ? undefined : WHEELS[name.toLowerCase()];
    return {
      code: system.program ? "compiler_missing" : "library_missing",
      message: `${subject} has no ready wheel and needs ${system.what} to be compiled, which this machine does not have${asked}.`,
      hint: `${wheel === undefined ? "" : `Use ${wheel} instead, which has wheels; or install`}${wheel === undefined ? "Install" : ""} it on the machine that builds${system.debian === undefined ? "" : ` (Debian: apt install ${system.debian})`}${wheel === undefined ? "; or use a release that has wheels" : ""}.`,
      traceback,
    };
  }
  const old = /No module named '(distutils|pkg_resources|imp|setuptools)'/.exec(text)?.[1];
  if (old !== undefined && old !== "setuptools") {
    const why = old === "pkg_resources" ? "setuptools no longer has" : "Python 3.12 no longer has";
    return {
      code: "dependency_build_failed",
      message: `${subject} could not be built: its set-up imports ${old}, which ${why}${asked}.`,
      hint: `Use a newer release of ${name ?? "it"}, which has wheels, or write 3.11 into .python-version.`,
      traceback,
    };
  }
  const hatch = /Unable to determine which files to ship inside the wheel/.test(text);
  if (hatch) {
    return {
      code: "dependency_build_failed",
      message: `${subject} could not be built: hatchling finds no folder that is named as the project.`,
      hint: 'Say where the package is, in pyproject.toml: [tool.hatch.build.targets.wheel] and below it packages = ["src/your_package"].',
      traceback,
    };
  }
  if (/Multiple top-level (?:packages|modules) discovered in a flat-layout/.test(text)) {
    return {
      code: "dependency_build_failed",
      message: `${subject} could not be built: setuptools finds several top-level packages and does not choose.`,
      hint: 'Say which, in pyproject.toml: [tool.setuptools] and below it packages = ["your_package"], or py-modules = ["server"].',
      traceback,
    };
  }
  if (
    /setuptools-scm was unable to detect version|unable to detect version for|version from VCS|can't be determined from VCS|No tags? (?:available|found)/i.test(
      text,
    )
  ) {
    return {
      code: "dependency_build_failed",
      message: `${subject} could not be built: it takes its version from Git's tags, and they are not there.`,
      hint: "Depend on a released version of it, or give it a version of its own in its pyproject.toml.",
      traceback,
    };
  }
  const exception = traceback
    ?.split("\n")
    .findLast((line) => /^[A-Za-z_][\w.]{0,100}(?:Error|Exception|Exit)?: /.test(line));
  return {
    code: "dependency_build_failed",
    message: `${subject} could not be built${exception === undefined ? (causes.at(-1) ? `: ${causes.at(-1)?.slice(0, 200)}` : "") : `: ${exception}`}${asked}.`,
    hint:
      name === null || folder !== undefined || subject === "The project itself"
        ? "Correct its set-up; it runs in a sandbox, with the repository and nothing else of this machine's files."
        : `A release of ${name} with wheels avoids the build; else ask its authors about Python ${said.python}.`,
    traceback,
  };
}

function missingSystem(text: string): { what: string; debian: string | undefined; program: boolean } | null {
  const header = /fatal error: '?([\w./+-]{1,100}\.h(?:pp)?)'?(?:: No such file| file not found)/.exec(
    text,
  )?.[1];
  if (header !== undefined) return { what: `the header ${header}`, debian: SYSTEM[header], program: false };
  const library = /(?:cannot find -l|library not found for -l)([\w.+-]{1,60})/.exec(text)?.[1];
  if (library !== undefined)
    return { what: `the library ${library}`, debian: `lib${library}-dev`, program: false };
  if (/Can not find valid pkg-config name/.test(text) && /mysqlclient/.test(text))
    return {
      what: "the library mysqlclient",
      debian: "default-libmysqlclient-dev pkg-config",
      program: false,
    };
  const packaged =
    /No package '([\w.+-]{1,60})' found|Package ([\w.+-]{1,60}) was not found in the pkg-config|Dependency "([\w.+-]{1,60})" not found/.exec(
      text,
    );
  const pkg = packaged?.[1] ?? packaged?.[2] ?? packaged?.[3];
  if (pkg !== undefined)
    return { what: `the library ${pkg}`, debian: `lib${pkg.replace(/^lib/, "")}-dev`, program: false };
  const program =
    /(?:error: command '|unable to execute '|No such file or directory: '|FileNotFoundError: [^\n]{0,80}')([\w+.-]{1,40})'(?: failed: No such file|: No such file|\n|$)/.exec(
      text,
    )?.[1] ??
    /\b(pg_config|mysql_config|llvm-config|cmake|cargo|rustc|gfortran)\b[^\n]{0,40}(?:not found|is not installed|executable not found|could not be found|Could NOT find)/i.exec(
      text,
    )?.[1] ??
    (/can't find Rust compiler|Cargo, the Rust package manager, is not installed|rust toolchain/i.test(text)
      ? "cargo"
      : undefined) ??
    (/Unknown compiler\(s\)|No (?:C|suitable C) compiler|No CMAKE_C(?:XX)?_COMPILER could be found/i.test(
      text,
    )
      ? "gcc"
      : undefined);
  return program !== undefined && program in SYSTEM
    ? { what: `the program ${program}`, debian: SYSTEM[program], program: true }
    : null;
}

const MOST_LINES = 16;

/** What of a build's output says why: the compiler's errors, else the end of the last traceback, else its last lines. */
export function essence(text: string): string | null {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/^ {9}/, "").replace(/^ {2}File "<string>", line/, '  File "setup.py", line'))
    .filter((line) => line.trim() !== "" && !/^(?:hint|error): /.test(line) && !/^ {0,4}cause: /.test(line));
  const errors = lines.filter(
    (line) =>
      /(?:^|[^\w])(?:fatal )?error(?:\[E\d+\])?: |undefined reference|cannot find -l/i.test(line) &&
      !line.startsWith("error: Command "),
  );
  const compiled = errors.some(
    (line) => /\.(?:c|cc|cpp|cxx|h|hpp|pyx|rs|f90):\d+/.test(line) || /error\[E\d+\]/.test(line),
  );
  if (compiled) return errors.slice(0, MOST_LINES).join("\n");
  const at = lines.findLastIndex((line) => line.startsWith("Traceback (most recent call last)"));
  if (at >= 0) {
    const block = lines.slice(at);
    const last = block.findIndex((line, i) => i > 0 && /^[A-Za-z_][\w.]*(?:: |$)/.test(line));
    const frames = last < 0 ? block.slice(1) : block.slice(1, last);
    const tail = last < 0 ? [] : block.slice(last, last + 6);
    const own = ownFrames(frames);
    const head = own.length > 0 ? ["Traceback (most recent call last):"] : [];
    return [...head, ...own, ...tail].join("\n");
  }
  return lines.length === 0 ? null : lines.slice(-MOST_LINES).join("\n");
}

/** The last frames of a traceback that are not of the build tools; the first is uv's own call of the back-end. */
function ownFrames(lines: readonly string[]): string[] {
  const frames: string[][] = [];
  for (const line of lines) {
    if (/^ {2}File "/.test(line)) frames.push([line]);
    else frames.at(-1)?.push(line);
  }
  const own = frames.filter(
    ([head = ""], i) =>
      !/\/site-packages\/|\/lib\/python3\.\d+\/|\/dist-packages\//.test(head) &&
      !(i === 0 && head.includes('"setup.py"')),
  );
  return own
    .slice(-6)
    .flat()
    .filter((line) => !/^\s*[~^]+\s*$/.test(line));
}

"""What a program says of its command line when it ends at once: that it wants arguments, and which."""

import re

# argparse, and click with what is made of it (typer).
WANTS = re.compile(
    r"the following arguments are required: .+|one of the arguments .+ is required|expected at least one argument.*"
    r"|Missing (?:option|argument|parameter|command)\b.*",
    re.I,
)
USAGE = re.compile(r"\s*usage:", re.I)
OPTION = re.compile(r"\s*-{1,2}[A-Za-z][\w-]*(?:[ ,=\[]|$)")
BOX = " \t│╭╰─╮╯┌└"


def wanted(lines):
    """(what it wants in its own words, an example of the arguments) of the lines that it printed; None where it wants none."""
    plain = [line.strip(BOX) for line in lines]
    for line in reversed(plain):
        match = WANTS.search(line)
        if match:
            words = match.group(0).strip().rstrip(".")
            options = re.findall(r"--[\w-]+", words)
            return words, [part for option in options for part in (option, "…")] or ["…"]
    return ("it printed how it is used", ["…"]) if is_help(plain) else None


def is_help(lines):
    """Only the last lines are kept, so that a long help may be without its beginning."""
    return any(USAGE.match(line) for line in lines) or sum(1 for line in lines if OPTION.match(line)) > 1


def without_help(lines):
    """The lines that are no help text: its words in capitals stand for values, and name nothing."""
    if not is_help([line.strip(BOX) for line in lines]):
        return list(lines)
    return [line for line in lines if line and line[0] not in BOX and not USAGE.match(line)]

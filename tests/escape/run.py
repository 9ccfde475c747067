#!/usr/bin/env python3
"""Runs probes one after the other, each in a session of its own, and prints the line of each.

    run.py together   every probe that does not have to be alone
    run.py NAME…      these

Exits 0 if all are contained, else 1.
"""

import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # Nothing is left beside the suite.
LIBRARY = os.path.join(HERE, "lib")
sys.path.insert(0, LIBRARY)
from probe import EXIT_CODES, say  # noqa: E402

PATIENCE_S = 120
OUTPUT_NAME = "escape-output"


def probes():
    """Name to path."""
    folder = os.path.join(HERE, "probes")
    files = [file for file in sorted(os.listdir(folder)) if file.endswith((".py", ".sh"))]
    return {os.path.splitext(file)[0]: os.path.join(folder, file) for file in files}


def has_to_be_alone(path):
    with open(path, encoding="utf-8") as file:
        return re.search(r"(?m)^# alone:", file.read()) is not None


def run(path, output):
    """The exit code, or why there is none."""
    program = sys.executable if path.endswith(".py") else "bash"
    environment = dict(os.environ, PYTHONPATH=LIBRARY, PYTHONDONTWRITEBYTECODE="1", ESCAPE_LIBRARY=LIBRARY)
    child = subprocess.Popen([program, path], stdout=output, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    try:
        return child.wait(PATIENCE_S), None
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None, f"did not end within {PATIENCE_S} s"


def verdict_is_missing(name, why):
    say({"probe": name, "verdict": "untested", "checked": 0, "findings": [{"what": "the probe", "says": why}]})
    return EXIT_CODES["untested"]


def run_alone(name, path):
    """With this process' own output: what it says must be outside before the kernel ends it, and its output may be huge."""
    code, why = run(path, None)
    if code not in EXIT_CODES.values():
        return verdict_is_missing(name, why or f"ended with {code}")
    return code


def run_together(name, path):
    """With an output that nobody waits for the end of, because what a probe leaves behind would hold it."""
    with os.fdopen(os.memfd_create(OUTPUT_NAME), "w+b") as output:
        code, why = run(path, output)
        output.seek(0)
        text = output.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if line.startswith('{"probe"')]
    for line in lines:
        os.write(1, (line + "\n").encode())
    if not any('"verdict"' in line for line in lines):
        return verdict_is_missing(name, why or f"ended with {code} and no verdict")
    return code


def main():
    known = probes()
    together = sys.argv[1:] == ["together"]
    names = [name for name, path in known.items() if not has_to_be_alone(path)] if together else sys.argv[1:]
    codes = []
    for name in names:
        how = run_alone if has_to_be_alone(known[name]) else run_together
        codes.append(how(name, known[name]))
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

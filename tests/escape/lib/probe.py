"""What a probe says, and how it ends.

A probe counts what it checked and lists what it found. It is contained only if it checked something, found nothing, and
could do all that it meant to do: whatever it could not do makes it untested, and that fails the suite.
"""

import json
import os
import sys
import traceback

EXIT_CODES = {"contained": 0, "escaped": 1, "untested": 77}
MOST_FINDINGS = 24
LONGEST_TEXT = 300


class Probe:
    """Used as `with Probe() as probe:`, which prints the verdict and exits."""

    def __init__(self):
        self.name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
        self.escapes, self.gaps, self.checked = [], [], 0
        # A child that a probe forks must not print a second verdict.
        self.process = os.getpid()

    def __enter__(self):
        # They attack whatever they run on, so somebody has to say that this is a sandbox.
        if not os.environ.get("ESCAPE_SANDBOX"):
            self.untested("ESCAPE_SANDBOX", "is not set: probes run only where somebody says that a sandbox is")
            self.end()
        return self

    def __exit__(self, kind, error, trace):
        if os.getpid() != self.process:
            os._exit(99)
        if error is not None and not isinstance(error, SystemExit):
            last = traceback.extract_tb(trace)[-1]
            self.untested("the probe", f"{kind.__name__}: {error} in line {last.lineno} of {last.filename}")
        self.end()

    def observe(self, what, escaped, says=""):
        """One thing tried: `escaped` tells whether it worked, `says` what was seen then."""
        self.checked += 1
        if escaped:
            self.escapes.append((what, says or "worked"))

    def refused(self, what, result):
        """A system call that must be refused before the kernel looks at its arguments."""
        self.checked += 1
        if result.error is None:
            self.escapes.append((what, f"worked ({result.value})"))
        elif not result.refused:
            self.escapes.append((what, f"{result.error}: the kernel has it and looked at the arguments"))

    def untested(self, what, why):
        """Something could not be tried."""
        self.gaps.append((what, why))

    def end(self):
        if not self.checked and not self.gaps and not self.escapes:
            self.untested("the probe", "checked nothing")
        verdict = "escaped" if self.escapes else "untested" if self.gaps else "contained"
        findings = [{"what": plain(what), "says": plain(says)} for what, says in self.escapes + self.gaps]
        line = {
            "probe": self.name,
            "verdict": verdict,
            "checked": self.checked,
            "findings": findings[:MOST_FINDINGS],
        }
        say(line)
        os._exit(EXIT_CODES[verdict])


def say(line):
    """In one write, so that lines of several processes do not mix."""
    os.write(1, (json.dumps(line) + "\n").encode())


def plain(text):
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:LONGEST_TEXT]

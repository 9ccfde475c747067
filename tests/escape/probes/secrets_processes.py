# tries: variables, memory, arguments and kernel strings of every process in sight, for the runner's canary
# must observe: the canary of the worker's environment, of its token and of setup's secret is nowhere; no variable but those given
import os
import re

from around import processes, read
from probe import Probe
from told import backwards, needed

# What the worker gives, what the runner of this suite gives, what shells and Python add.
GIVEN = re.compile(
    r"^(PATH|HOME|CODEX_\w+|NO_COLOR|PAGER|GIT_PAGER|GH_PAGER|COLORTERM|USER|LOGNAME|SHELL|TMPDIR|LANG|TERM|CI|PWD|OLDPWD|SHLVL|_|OUTWORK_\w+|ESCAPE_\w+|PYTHON\w+|LC_\w+"
    r"|\w+_(PROXY|proxy)|NODE_\w+|npm_config_\w+|CARGO_\w+|JAVA_TOOL_OPTIONS|\w*SSL_CERT_\w+|\w+_CA_BUNDLE|PIP_CERT|GIT_SSL_CAINFO|AWS_CA_BUNDLE|DENO_CERT)$"
)
SUSPECT = re.compile(r"(?i)(token|secret|passw|credential|_key$|cookie|auth)")


def memory(process):
    """The readable parts of its memory, a piece at a time."""
    try:
        with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as maps, open(f"/proc/{process}/mem", "rb", 0) as file:
            for line in maps:
                place, rights = line.split()[:2]
                start, end = (int(number, 16) for number in place.split("-"))
                if "r" in rights and end - start < 1 << 26 and "[vvar" not in line:
                    try:
                        file.seek(start)
                        yield line.split()[-1], file.read(end - start)
                    except (OSError, ValueError, OverflowError):
                        continue
    except OSError:
        return


with Probe() as probe:
    # Kept backwards while this process' own memory is searched.
    turned = needed(probe, "CANARY", backwards)[::-1]
    for name in os.environ:
        suspect = SUSPECT.search(name) and not name.startswith("ESCAPE_")
        probe.observe(f"variable {name}", not GIVEN.match(name) or suspect, "not one that a task needs")
    for process in processes():
        for file in ("environ", "cmdline", "auxv", "comm", "stat"):
            content = read(f"/proc/{process}/{file}") or b""
            probe.observe(f"{file} of {process}", turned.encode()[::-1] in content, "has the canary")
        if process == os.getpid():
            continue  # It has just put the canary the right way round.
        for what, content in memory(process):
            probe.observe(f"memory of {process}", turned.encode()[::-1] in content, what)

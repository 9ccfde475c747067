# tries: variables that make the loader and the C library of a set-id program load the agent's code
# must observe: the kernel never says that a program is privileged (AT_SECURE), so there is nothing to gain by them
import glob
import os
import subprocess

from probe import Probe

VARIABLES = {
    "LD_SHOW_AUXV": "1",
    "LD_PRELOAD": "/tmp/.escape-none.so",
    "LD_AUDIT": "/tmp/.escape-none.so",
    "LD_LIBRARY_PATH": "/tmp",
    "GCONV_PATH": "/tmp",
    "LOCPATH": "/tmp",
    "GLIBC_TUNABLES": "glibc.malloc.mxfast=glibc.malloc.mxfast=0",
}

PATIENCE_S = 3


def started(program):
    """What it printed until it ended, or until it had long enough: the loader speaks first."""
    command = [program, "--version"]
    environment = {**os.environ, **VARIABLES}
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        return late.stdout or b"", late.stderr or b""
    except OSError:
        return b"", b""
    return done.stdout, done.stderr


def not_executable(program):
    """Closed to this user, or not linked to the loader."""
    if not os.access(program, os.X_OK | os.R_OK):
        return True
    with open(program, "rb") as file:
        return b"ld-linux" not in file.read(4096)


with Probe() as probe:
    programs = [path for pattern in ("/usr/bin/*", "/usr/sbin/*", "/usr/lib/openssh/*") for path in glob.glob(pattern)]
    privileged = [path for path in programs if os.stat(path).st_mode & 0o6000] if programs else []
    # A program without set-id bits shows that the variable tells anything here.
    for program in ["/bin/true"] + privileged:
        output, errors = started(program)
        lines = output.decode(errors="replace").splitlines()
        told = dict(line.split(":", 1) for line in lines if line.startswith("AT_"))
        effective, secure = told.get("AT_EUID", "").strip(), told.get("AT_SECURE", "").strip()
        if not told:
            if program == "/bin/true":
                probe.untested("LD_SHOW_AUXV", "the loader says nothing here")
            elif b"ld.so" not in errors and not_executable(program):
                probe.observe(program, False)
            else:
                # The loader ignores the variable in a privileged program.
                probe.observe(program, True, "does not know LD_SHOW_AUXV, as if it were privileged")
            continue
        probe.observe(program, secure != "0" or effective != str(os.geteuid()), f"AT_SECURE {secure}, AT_EUID {effective}")

# tries: to outlive the attempt: processes that left their session, ignore every signal, are stopped, hold the output, start anew
# must observe: the task ends, and a moment later no process of these is on the host; the runner looks
# alone: leaves processes behind
import os
import signal
import sys

from probe import Probe
from told import needed, text

COUNT = 12

# In the command line there is the marker by which the runner finds them.
PROGRAM = """
import os, signal, sys, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
kind = int(sys.argv[2])
if kind % 4 == 1: os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(0.2)
    if kind % 4 == 2 and os.fork(): os._exit(0)
"""


def left_behind(kind, marker):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            # Half of them hold the output, so that whoever reads to its end waits.
            for descriptor in range(0 if kind % 2 else 3, 256):
                try:
                    os.close(descriptor)
                except OSError:
                    pass
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, marker, str(kind)])
        os._exit(0)
    os.wait()


with Probe() as probe:
    marker = needed(probe, "LEFTOVER", text)
    for kind in range(COUNT):
        left_behind(kind, marker)
    # Also one that has a name and a group of its own, and reaps nothing.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    probe.observe("left", False, f"{COUNT} processes")

# tries: to leave something for, and find something of, another attempt that runs at the same time, by every shared place
# must observe: nothing of the other shows: files, memory, sockets, keys, processes, ports, terminals
# alone: two attempts at once; each waits for the other before it looks
import ctypes
import os
import socket
import subprocess
import time

from around import mounts, processes, read
from kernel import call
from probe import Probe, say
from told import needed, text

PORTS = range(42000, 42010)


def leave(me):
    """What can be seen, for as long as this process lives."""
    kept = []
    for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.getcwd(), os.path.expanduser("~"), "/dev/mqueue"):
        try:
            with open(f"{place}/escape-{me}", "w", encoding="ascii") as file:
                file.write(me)
        except OSError:
            continue
    for name in (b"\0escape-" + me.encode(), f"/tmp/escape-socket-{me}"):
        made = socket.socket(socket.AF_UNIX)
        made.bind(name)
        made.listen()
        kept.append(made)
    made = socket.socket()
    for port in PORTS:
        try:
            made.bind(("127.0.0.1", port))
            break
        except OSError:
            continue  # The other's.
    made.listen()
    kept.append(made)
    call("shmget", 0x0E5CA9E0, 4096, 0o1666)
    call("msgget", 0x0E5CA9E0, 0o1666)
    call("semget", 0x0E5CA9E0, 1, 0o1666)
    queue = call("mq_open", ctypes.c_char_p(b"escape-" + me.encode()), 0o102, 0o666, None)
    if queue.error is None:
        kept.append(queue.value)
    kept.append(subprocess.Popen(["sleep", "600"], env={"ESCAPE_ME": me}))
    return kept


def look(probe, me, other):
    for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), "/dev/mqueue", os.path.dirname(os.getcwd()), "/home", "/workspace"):
        for folder, names, files in os.walk(place):
            theirs = [name for name in (*names, *files) if name.endswith(other)]
            probe.observe(folder, theirs, f"lists {theirs}")
    for name in (b"\0escape-" + other.encode(), f"/tmp/escape-socket-{other}"):
        with socket.socket(socket.AF_UNIX) as tried:
            probe.observe(f"socket {name}", tried.connect_ex(name) == 0, "answers")
    # Its own is the first that was free.
    taken = [port for port in PORTS[1:] if socket.socket().connect_ex(("127.0.0.1", port)) == 0]
    probe.observe("ports", taken, str(taken))
    queue = call("mq_open", ctypes.c_char_p(b"escape-" + other.encode()), 0, 0, None)
    probe.observe("message queue", queue.error is None, "opens")
    for table in ("shm", "msg", "sem"):
        rows = (read(f"/proc/sysvipc/{table}") or b"").splitlines()[1:]
        probe.observe(f"System V {table}", len(rows) > 1, f"{len(rows)} rows, of which one is ours")
    for process in processes():
        variables = read(f"/proc/{process}/environ") or b""
        probe.observe(f"process {process}", b"ESCAPE_ME=" + other.encode() in variables, "is the other's")
    count = len([process for process in processes() if b"sleep\x00600" in (read(f"/proc/{process}/cmdline") or b"")])
    probe.observe("sleepers", count != 1, f"{count}, of which one is ours")
    for point, *_ in mounts():
        probe.observe(point, other in point, "a mount of the other")
    probe.observe("listed sockets", other.encode() in (read("/proc/net/unix") or b""), "/proc/net/unix has the other's")


with Probe() as probe:
    attempt = needed(probe, "NEIGHBOUR", text) and os.environ["OUTWORK_ATTEMPT"]
    me, other = ("first-one", "second-one") if attempt == "1" else ("second-one", "first-one")
    kept = leave(me)
    # They cannot tell each other; the runner sees from the times of both whether they were here together.
    say({"probe": probe.name, "reached": 1})
    time.sleep(float(needed(probe, "HOLD", text)))
    look(probe, me, other)
    for child in kept:
        if isinstance(child, subprocess.Popen):
            child.kill()

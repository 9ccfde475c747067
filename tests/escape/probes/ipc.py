# tries: System V memory, queues and semaphores of the host by key, by number and by list; POSIX queues
# must observe: the runner's segment is not there; every table lists only the sandbox's own, which is nothing
import ctypes
import os

from around import read
from kernel import call
from probe import Probe
from told import needed, text

MOST_NUMBERS = 4096
IPC_STAT, SHM_STAT, SHM_STAT_ANY, SHM_INFO = 2, 13, 15, 14

with Probe() as probe:
    planted = int(needed(probe, "HOST_SHM", text))
    space = ctypes.create_string_buffer(512)
    probe.observe("the runner's segment", call("shmat", planted, None, 0o10000).error is None, "attached")
    for what, command in (("stat", IPC_STAT), ("stat by index", SHM_STAT), ("stat of any", SHM_STAT_ANY)):
        probe.observe(what, call("shmctl", planted, command, space).error is None, "told")
    found = [number for number in range(MOST_NUMBERS) if call("shmctl", number, SHM_STAT_ANY, space).error is None]
    probe.observe("segments", found, f"{found[:5]}")
    for name in ("shm", "msg", "sem"):
        rows = (read(f"/proc/sysvipc/{name}") or b"").splitlines()[1:]
        probe.observe(f"/proc/sysvipc/{name}", rows, f"{len(rows)} rows")
    for key in (0x0052E2C1, 0x0052E2C2, 0x6C0A0001, 0x12345678):  # PostgreSQL's, and others' favourites.
        probe.observe(f"key {key:#x}", call("shmget", key, 0, 0).error is None, "is there")
    for name in (b"escape", b"outwork"):
        probe.observe(f"queue {name.decode()}", call("mq_open", ctypes.c_char_p(name), 0, 0, None).error is None, "opens")
    listed = os.listdir("/dev/shm")
    probe.observe("/dev/shm", [name for name in listed if not name.startswith(".escape")], f"lists {listed}")
    probe.observe("/dev/mqueue", os.path.isdir("/dev/mqueue") and os.listdir("/dev/mqueue"), "lists queues")

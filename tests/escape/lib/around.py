"""Where a probe is: processes, mounts and places that can be written."""

import os
import tempfile

NULL_DEVICE = os.makedev(1, 3)


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def sees_host_processes():
    """The kernel's own threads show only in the machine's first namespace. Nothing may be sent to anybody there."""
    try:
        with open("/proc/2/comm", encoding="utf-8") as name:
            return name.read().strip() == "kthreadd"
    except OSError:
        return False


def ancestors():
    """This process and those that it comes from, without process 1."""
    found, process = set(), os.getpid()
    while process > 1:
        found.add(process)
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            process = int(file.read().rsplit(")", 1)[1].split()[1])
    return found


def mounts():
    """(mount point, options, root in its file system, type, source, options of the file system) of each."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, after = line.rstrip("\n").split(" - ", 1)
            fields, kind = before.split(" "), after.split(" ")
            unescaped = fields[4].replace("\\040", " ")
            found.append((unescaped, fields[5].split(","), fields[3], kind[0], kind[1], kind[2] if len(kind) > 2 else ""))
    return found


def file_system(path):
    """The type of the file system that a path lies on."""
    above = [(len(point), kind) for point, _, _, kind, *_ in mounts() if f"{path}/".startswith(point.rstrip("/") + "/")]
    longest = max(length for length, _ in above)
    # Of several on one point, the last covers the others.
    return [kind for length, kind in above if length == longest][-1]


def in_own_layer(path):
    """Where the sandbox has one id only, as under an ordinary user's worker, all of its root belongs to the agent: it changes
    its own copy, in a layer that nobody else sees. The runner looks whether the layers below stayed as they were."""
    ids = sum(int(line.split()[2]) for line in (read("/proc/self/uid_map") or b"").decode().splitlines())
    real = os.path.realpath(path)
    # gVisor shows its root and what is mounted below as one.
    kind = file_system(real)
    return ids == 1 and (kind == "overlay" or kind == "9p" and not f"{real}/".startswith("/outwork/"))


def writable_places():
    """One scratch directory in each place that can be written."""
    places = [os.getcwd(), os.path.expanduser("~"), "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/opt", "/usr/local"]
    made = []
    for place in dict.fromkeys(places):
        try:
            made.append(tempfile.mkdtemp(prefix=".escape-", dir=place))
        except OSError:
            continue
    return made


def read(path, size=1 << 20):
    """None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        return None


def takes(path, content):
    """Whether it takes these bytes: some files open for everybody and refuse only what is written."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.fstat(file).st_rdev != NULL_DEVICE and os.write(file, content) > 0
    except OSError:
        return False
    finally:
        os.close(file)


def opens(path, flags):
    """Whether it opens; nothing is read or written. The null device in a file's place is a mask, and takes anything."""
    try:
        file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    device = os.fstat(file).st_rdev
    os.close(file)
    return device != NULL_DEVICE or path == "/dev/null"

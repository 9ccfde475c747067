"""Looks for secrets in everything that an agent can read. What it looks for comes in hexadecimal, so that it is not found itself."""

import ctypes, json, os, platform, re, stat

needles = [(name, bytes.fromhex(text)) for name, text in json.loads(input())]
pattern = re.compile(b"|".join(re.escape(text) for _, text in needles))
names = {text: name for name, text in needles}
found, looked = set(), {"files": 0, "bytes": 0, "processes": 0, "regions": 0}


def look(place, data):
    looked["bytes"] += len(data)
    for match in pattern.finditer(data):
        found.add(f"{names[match.group()]} in {place}")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def memory(process):
    with open(f"/proc/{process}/mem", "rb", 0) as file:
        for line in read(f"/proc/{process}/maps").decode().splitlines():
            place, rights = line.split()[:2]
            begin, end = (int(number, 16) for number in place.split("-"))
            if "r" not in rights or end - begin > 1 << 28:
                continue
            try:
                file.seek(begin)
                look(f"the memory of {process}", file.read(end - begin))
                looked["regions"] += 1
            except (OSError, OverflowError, ValueError):
                pass


for process in filter(str.isdigit, os.listdir("/proc")):
    looked["processes"] += 1
    for name in ("environ", "cmdline", "maps", "mountinfo", "status", "comm", "stat", "limits", "cgroup"):
        kind = "control" if name == "environ" else name
        look(f"{kind} of a process", read(f"/proc/{process}/{name}"))
    try:
        for open_file in os.listdir(f"/proc/{process}/fd"):
            path = f"/proc/{process}/fd/{open_file}"
            look("a descriptor", os.readlink(path).encode())
            if stat.S_ISREG(os.stat(path).st_mode):
                look("an open file", read(path))
    except OSError:
        pass
    if int(process) != os.getpid():
        try:
            memory(process)
        except OSError:
            pass

NOBODY = 65534  # Files of the machine itself.
for top, folders, files in os.walk("/"):
    if top == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    if top == "/usr":
        folders[:] = [name for name in folders if name == "local"]
    for name in folders + files:
        path = os.path.join(top, name)
        try:
            about = os.lstat(path)
            look("the name " + path, os.fsencode(name))
            for attribute in os.listxattr(path, follow_symlinks=False):
                look("an attribute of " + path, os.fsencode(attribute))
                look("an attribute of " + path, os.getxattr(path, attribute, follow_symlinks=False))
            if stat.S_ISLNK(about.st_mode):
                look("the link " + path, os.fsencode(os.readlink(path)))
            elif stat.S_ISREG(about.st_mode) and about.st_uid != NOBODY:
                look("the file " + path, read(path))
                looked["files"] += 1
        except OSError:
            pass

for name in ("keys", "key-users", "sysvipc/shm", "sysvipc/msg", "net/unix"):
    look("/proc/" + name, read("/proc/" + name))

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
block = libc.shmget(0x4F57, 0, 0)
if block >= 0:
    look("shared memory", ctypes.string_at(libc.shmat(block, None, 0), 4096))
request_key, keyctl = {"x86_64": (249, 250), "aarch64": (218, 219)}[platform.machine()]
key = libc.syscall(request_key, b"user", b"left", None, 0)
content = ctypes.create_string_buffer(4096)
if key >= 0 and libc.syscall(keyctl, 11, key, content, 4096) > 0:
    look("a key", content.raw)

left = [name for name in ("/tmp/left", "/dev/shm/left") if os.path.exists(name)]
print(json.dumps({"found": sorted(found), "looked": looked, "left": left}))

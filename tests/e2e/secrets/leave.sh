# Where a process can leave things outside of the tree; and a process that does not want to end.
printf '%s' "$PLAIN" >/tmp/left
printf '%s' "$PLAIN" >/dev/shm/left
setsid bash -c 'exec -a left-behind sleep 4242.5' </dev/null >/dev/null 2>&1 &
python3 - <<'PY'
import ctypes, os, platform

value = os.environb[b"PLAIN"]
libc = ctypes.CDLL(None, use_errno=True)
block = libc.shmget(0x4F57, 4096, 0o1666)
if block >= 0:
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(block, None, 0)
    ctypes.memmove(place, value, len(value))
add_key = {"x86_64": 248, "aarch64": 217}[platform.machine()]
for ring in (-3, -4, -5):
    key = libc.syscall(add_key, b"user", b"left", value, len(value), ring)
    print("a key" if key >= 0 else "no key")
PY

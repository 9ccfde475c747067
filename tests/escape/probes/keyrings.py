# tries: to make, find, join and read keys, which no namespace but the user's confines
# must observe: EPERM or ENOSYS for each call; nothing in /proc/keys
from ctypes import c_char_p, create_string_buffer

from around import read
from kernel import call, call_in_child
from probe import Probe

RINGS = {"thread": -1, "process": -2, "session": -3, "user": -4, "user session": -5, "group": -6}
OPERATIONS = {"get id": 0, "join session": 1, "update": 2, "describe": 6, "link": 8, "search": 10, "read": 11,
              "instantiate": 12, "get persistent": 22, "dh compute": 23, "capabilities": 31,
              "watch": 32}

# Nothing that would end or empty a ring: where these calls work, it may be a person's.
with Probe() as probe:
    for name, ring in RINGS.items():
        probe.refused(f"add_key to {name}", call("add_key", c_char_p(b"user"), c_char_p(b"escape"), c_char_p(b"x"), 1, ring))
        probe.refused(f"request_key in {name}", call("request_key", c_char_p(b"user"), c_char_p(b"escape"), None, ring))
        for operation, number in OPERATIONS.items():
            result = call_in_child("keyctl", number, ring, create_string_buffer(64), 64, 0)
            probe.refused(f"{operation} {name}", result)
    for path in ("/proc/keys", "/proc/key-users"):
        content = read(path)
        probe.observe(path, content, repr(content and content[:80]))

"""Sockets, and the proxy if there is one.

Nothing is ever sent where an interface other than loopback exists: that alone is the finding, and a fault of the sandbox
must not reach somebody's real address.
"""

import errno
import os
import re
import socket
import time

# The kernel puts these into each new network namespace, switched off, where their modules are loaded.
UNUSED = re.compile(r"^(sit|tunl|gre|gretap|erspan|ip_vti|ip6_vti|ip6tnl|ip6gre|teql)0$")


def interfaces():
    names = {name for _, name in socket.if_nameindex()}
    try:
        with open("/proc/net/dev", encoding="utf-8") as lines:
            names |= {line.split(":")[0].strip() for line in lines if ":" in line}
    except OSError:
        pass
    return sorted(name for name in names if not UNUSED.match(name))


def only_loopback(probe):
    """Ends the probe as escaped, before it sends anything, if there is more."""
    others = [name for name in interfaces() if name != "lo"]
    probe.observe("interfaces", others, f"{', '.join(others)}; nothing was sent")
    if others:
        probe.end()


def error_name(error):
    if isinstance(error, socket.timeout):
        return "silence"
    return errno.errorcode.get(error.errno, str(error))


def connect(address, kind=socket.SOCK_STREAM, protocol=0, seconds=2):
    """`open`, `silence` (a packet left and nothing came back), or the error's name."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, kind, protocol) as made:
            made.settimeout(seconds)
            made.connect(address)
            return "open"
    except OSError as error:
        return error_name(error)


# What a kernel without a way there says at once.
NO_WAY = {"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EPERM", "EACCES", "EAFNOSUPPORT", "ENETDOWN", "EINVAL", "ENODEV"}


def proxy():
    """Host and port of the proxy that the sandbox was told of, or None."""
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        found = re.match(r"^http://(?:[^@/]*@)?([^:/]+):(\d+)", os.environ.get(name, ""))
        if found:
            return found.group(1), int(found.group(2))
    return None


def exchange(address, request, seconds=4, silence=0.1):
    """Sends bytes; gives what came back until the end, or until nothing came for so long after the first of it."""
    answer = b""
    try:
        with socket.create_connection(address, timeout=seconds) as stream:
            stream.settimeout(seconds)
            stream.sendall(request)
            answer = stream.recv(65536)
            stream.settimeout(silence)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                part = stream.recv(65536)
                if not part:
                    break
                answer += part
    except OSError:
        pass
    return answer


def status(answer):
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found.group(1)) if found else None


def proxy_code(answer):
    found = re.search(rb"(?im)^x-proxy-error: *(\S+)", answer)
    return found.group(1).decode() if found else None


def proxy_or_none(probe):
    """The proxy's address. Without a proxy there is nothing to misuse, and that is checked: nothing listens there."""
    address = proxy()
    wanted = os.environ.get("ESCAPE_PROXY") == "1"
    if wanted and address is None:
        probe.untested("proxy", "the runner says that there is one, and no variable names it")
        probe.end()
    if address is None:
        found = connect(("127.0.0.1", 47101))
        probe.observe("proxy port", found == "open", "a proxy that nobody configured")
        probe.end()
    answer = exchange(address, b"GET http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\nConnection: close\r\n\r\n")
    if status(answer) is None:
        probe.untested("proxy", f"gives no answer of HTTP: {answer[:80]!r}")
        probe.end()
    return address

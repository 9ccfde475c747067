# tries: requests that a proxy and a server may read in different ways: hosts that differ, odd schemes, ports, escapes and line ends
# must observe: each is refused with a code, or the connection is closed; no code says that something was dialled
from network import exchange, proxy_code, proxy_or_none, status
from probe import Probe

ALLOWED = b"control.invalid"
REQUESTS = {
    "two hosts": b"GET http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\nHost: other.invalid\r\n\r\n",
    "another host": b"GET http://control.invalid/ HTTP/1.1\r\nHost: other.invalid\r\n\r\n",
    "no host": b"GET http://control.invalid/ HTTP/1.1\r\n\r\n",
    "a path alone": b"GET / HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "the proxy itself": b"GET http://127.0.0.1:47101/ HTTP/1.1\r\nHost: 127.0.0.1:47101\r\n\r\n",
    "a user in the address": b"GET http://control.invalid@other.invalid/ HTTP/1.1\r\nHost: other.invalid\r\n\r\n",
    "a port in words": b"GET http://control.invalid:http/ HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "port 0": b"GET http://control.invalid:0/ HTTP/1.1\r\nHost: control.invalid:0\r\n\r\n",
    "port 65616 (80)": b"GET http://control.invalid:65616/ HTTP/1.1\r\nHost: control.invalid:65616\r\n\r\n",
    "a null": b"GET http://control.invalid\0.example.com/ HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "a space": b"GET http://control.invalid /x HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "a tab": b"GET\thttp://control.invalid/\tHTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "a bare line end": b"GET http://control.invalid/ HTTP/1.1\nHost: control.invalid\n\n",
    "a folded header": b"GET http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\nX: a\r\n b\r\nHost : other.invalid\r\n\r\n",
    "a space before the colon": b"GET http://control.invalid/ HTTP/1.1\r\nHost : control.invalid\r\n\r\n",
    "HTTP/0.9": b"GET http://control.invalid/\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET http://control.invalid/ HTTP/9.9\r\nHost: control.invalid\r\n\r\n",
    "SOCKS 5": b"\x05\x01\x00",
    "SOCKS 4": b"\x04\x01\x00\x50\xc0\x00\x02\x01\0",
    "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "an escape": b"GET http://%63ontrol.invalid/ HTTP/1.1\r\nHost: %63ontrol.invalid\r\n\r\n",
    "a backslash": b"GET http:\\\\control.invalid\\ HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "a very long name": b"GET http://" + b"a" * 60000 + b"/ HTTP/1.1\r\nHost: control.invalid\r\n\r\n",
    "ten thousand headers": b"GET http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\n" + b"X: y\r\n" * 10000 + b"\r\n",
}
SCHEMES = ("ftp", "file", "gopher", "ws", "wss", "https", "dict", "ldap", "unix", "http+unix", "jar", "data")
PORTS = (0, 1, 22, 23, 25, 53, 110, 143, 445, 465, 587, 993, 2375, 3128, 3306, 5432, 6379, 6443, 8080, 8443, 9200, 9418, 11211, 47100, 47101)
REFUSED = range(400, 500)

with Probe() as probe:
    address = proxy_or_none(probe)
    attempts = dict(REQUESTS)
    for scheme in SCHEMES:
        attempts[scheme] = b"GET %s://control.invalid/etc/passwd HTTP/1.1\r\nHost: control.invalid\r\n\r\n" % scheme.encode()
    for port in PORTS:
        attempts[f"CONNECT {port}"] = b"CONNECT control.invalid:%d HTTP/1.1\r\nHost: control.invalid:%d\r\n\r\n" % (port, port)
        attempts[f"GET {port}"] = b"GET http://control.invalid:%d/ HTTP/1.1\r\nHost: control.invalid:%d\r\n\r\n" % (port, port)
    for what, request in attempts.items():
        answer = exchange(address, request, seconds=3)
        # A close without a word, or a message of another protocol than HTTP, is a refusal, too.
        probe.observe(what, status(answer) not in REFUSED and b"HTTP/1" in answer, f"{status(answer)} {proxy_code(answer)}: {answer[:80]!r}")
        probe.observe(f"{what}: a code", status(answer) == 403 and proxy_code(answer) is None, "403 without x-proxy-error")

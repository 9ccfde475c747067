# tries: to hide a second request in the first: lengths that contradict, chunks, upgrades, requests behind a refusal
# must observe: at most the refusals of the requests that the proxy itself read; no answer comes from a hidden one
import re

from network import exchange, proxy_or_none
from probe import Probe

HIDDEN = b"GET http://hidden.invalid/ HTTP/1.1\r\nHost: hidden.invalid\r\n\r\n"
START = b"POST http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\n"
BODIES = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "a length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in capitals": b"Transfer-Encoding: CHUNKED\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunks with a tab": b"Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks behind a null": b"Transfer-Encoding: \0chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a plus": b"Content-Length: +0\r\n\r\n",
    "a length too great": b"Content-Length: 18446744073709551616\r\n\r\n",
    "a length in words": b"Content-Length: 0x0\r\n\r\n",
    "lengths in a list": b"Content-Length: 0, 0\r\n\r\n",
    "a chunk of odd size": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a chunk with bare line ends": b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "an upgrade": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    "a websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n",
    "a header that removes another": b"Connection: close, host, x-proxy-error\r\nContent-Length: 0\r\n\r\n",
    "a request behind a line end": b"X: y\r\n\r\n",
}

with Probe() as probe:
    address = proxy_or_none(probe)
    for what, body in BODIES.items():
        answer = exchange(address, START + body + HIDDEN, seconds=3, silence=1)
        heads = re.findall(rb"HTTP/1\.[01] (\d{3})", answer)
        accepted = [head for head in heads if head[:1] in b"123"]
        probe.observe(what, accepted, f"{heads}: {answer[:80]!r}")
        # One that was hidden in a body must never be a request of its own for another host.
        probe.observe(f"{what}: hidden", b"hidden.invalid" in answer and len(heads) > 1 and b"ontent-Length: 4" in body, repr(answer[-120:]))
    for name in (b"Proxy-Authorization: Basic AAAA", b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Host: hidden.invalid", b"Forwarded: host=hidden.invalid"):
        answer = exchange(address, b"GET http://control.invalid/ HTTP/1.1\r\nHost: control.invalid\r\n%s\r\n\r\n" % name)
        probe.observe(name.decode(), re.match(rb"HTTP/1\.[01] [123]", answer), repr(answer[:60]))

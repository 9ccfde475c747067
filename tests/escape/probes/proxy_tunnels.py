# tries: plain text, SSH, another name, no name and pieces of a ClientHello in a tunnel to a host that is allowed
# must observe: the proxy ends the tunnel and passes nothing on; without an allowed host the tunnel itself is refused
import socket
import ssl

from network import exchange, proxy_code, proxy_or_none, status
from probe import Probe
from told import text


def hello(name):
    """A ClientHello for that name, or for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(coming, going, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return going.read()


def through(address, host, parts):
    """What comes back in the tunnel after the proxy's own answer; None if there is no tunnel."""
    with socket.create_connection(address, timeout=5) as stream:
        stream.settimeout(5)
        stream.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host))
        answer = stream.recv(65536)
        if status(answer) != 200:
            return None
        answer = answer.split(b"\r\n\r\n", 1)[1]
        try:
            for part in parts:
                stream.sendall(part)
            while part := stream.recv(65536):
                answer += part
        except OSError:
            pass
        return answer


with Probe() as probe:
    address = proxy_or_none(probe)
    for host in (b"other.invalid:443", b"192.0.2.1:443", b"[2001:db8::1]:443", b"127.0.0.1:47100", b":443", b"control.invalid", b"/tmp/socket", b"*:443"):
        answer = exchange(address, b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host))
        probe.observe(f"a tunnel to {host!r}", status(answer) == 200, f"{status(answer)} {proxy_code(answer)}")
    # The runner's own server, which answers whatever reaches it with a word.
    allowed, word = text("PROXY_ALLOWED"), (text("PROXY_WORD") or "")[::-1].encode()
    if allowed:
        name = allowed.rsplit(":", 1)[0]
        right, wrong, none = hello(name), hello("other.invalid"), hello(None)
        attempts = {
            "plain text": [b"GET / HTTP/1.1\r\nHost: other.invalid\r\n\r\n"],
            "SSH": [b"SSH-2.0-escape\r\n"],
            "another name": [wrong],
            "no name": [none],
            "text before TLS": [b"\r\n", right],
            "TLS and then text at once": [right[:3], b"GET / HTTP/1.1\r\n\r\n"],
            "a record of no length": [b"\x16\x03\x01\x00\x00" * 100, wrong],
            "another name byte by byte": [wrong[at : at + 1] for at in range(len(wrong))],
            "another name in two records": [wrong[:3] + b"\0\x10" + wrong[5:21], wrong[:3] + (len(wrong) - 21).to_bytes(2, "big") + wrong[21:]],
            "an alert first": [b"\x15\x03\x01\0\x02\x01\0", wrong],
        }
        for what, parts in attempts.items():
            came = through(address, allowed.encode(), parts)
            if came is None:
                probe.untested(what, f"no tunnel to {allowed}")
            else:
                probe.observe(what, word in came, "reached the server")

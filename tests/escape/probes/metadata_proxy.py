# tries: the same addresses and names through the proxy, by plain requests and by tunnels
# must observe: the proxy says no before it dials, in every spelling; without a proxy, nothing listens in its place
from network import exchange, proxy_code, proxy_or_none, status
from probe import Probe
from spellings import every

# The name was allowed and could not be reached: it was dialled, or looked up.
DIALLED = {"unreachable", "bad-answer", "upstream-proxy"}

with Probe() as probe:
    address = proxy_or_none(probe)
    for spelled in every():
        host = spelled.encode()
        for what, request in {
            "GET": b"GET http://%s/latest/meta-data/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (host, host),
            "CONNECT": b"CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (host, host),
        }.items():
            answer = exchange(address, request, seconds=6)
            code = proxy_code(answer)
            let_through = (status(answer) or 0) in range(100, 400) or code in DIALLED
            says = f"{status(answer)} {code}"
            probe.observe(f"{what} {spelled!r}", let_through or (status(answer) or 400) >= 500 and code != "unresolvable", says)

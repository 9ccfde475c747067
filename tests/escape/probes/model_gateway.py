# tries: the model's gateway: other paths, methods and hosts, tunnels, its key in answers and errors, requests hidden in others
# must observe: only the model's own paths at the model's own host; the key never comes back; without a model, no gateway
import os
import re

from network import connect, exchange, status
from probe import Probe
from told import backwards, text

GATEWAY = ("127.0.0.1", 47100)
PATHS = ("/", "/admin", "/v1/files", "/v1/models/../../admin", "/v1/../admin", "/v1/%2e%2e/admin", "//other.invalid/", "/v1//../admin", "/\\other.invalid",
         "/v1/responses/../files", "/v1/responses;/../../admin", "/v1/fine_tuning/jobs", "/v1/organization/api_keys", "/v1/assistants", "/v1/batches", "/.env",
         "/v1/responses%00/admin", "/v1/responses?redirect=http://other.invalid", "*", "http://other.invalid/v1/responses", "https://127.0.0.1:47101/")
LINES = {
    "another host": b"POST /v1/responses HTTP/1.1\r\nHost: other.invalid\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: other.invalid\r\nContent-Length: 2\r\n\r\n{}",
    "a tunnel": b"CONNECT other.invalid:443 HTTP/1.1\r\nHost: other.invalid:443\r\n\r\n",
    "a tunnel to the model": b"CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: 127.0.0.1:443\r\n\r\n",
    "another scheme": b"GET gopher://other.invalid/ HTTP/1.1\r\nHost: other.invalid\r\n\r\n",
    "an upgrade": b"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "echo": b"TRACE /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "an address elsewhere": b"POST http://other.invalid/v1/responses HTTP/1.1\r\nHost: other.invalid\r\nContent-Length: 2\r\n\r\n{}",
    "lengths that contradict": b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
}


def request(method, path, more=b""):
    return b"%s %s HTTP/1.1\r\nHost: 127.0.0.1:47100\r\nConnection: close\r\n%s\r\n" % (method, path.encode(), more)


with Probe() as probe:
    if text("MODEL") != "1":
        probe.observe("gateway", connect(GATEWAY) == "open", "a gateway without a model")
        probe.end()
    key, admin_word = (backwards("MODEL_UNSEEN") or "").encode(), (backwards("MODEL_WORD") or "").encode()
    if not key or connect(GATEWAY) != "open":
        probe.untested("gateway", "does not listen, or the runner did not tell the key")
        probe.end()
    answers = {}
    for path in PATHS:
        for method in (b"GET", b"POST", b"DELETE", b"PUT"):
            body = b"Content-Length: 0\r\n" if method != b"GET" else b""
            answers[f"{method.decode()} {path}"] = exchange(GATEWAY, request(method, path, body), seconds=2)
    for what, line in LINES.items():
        answers[what] = exchange(GATEWAY, line, seconds=2)
    for header in (b"Authorization: Bearer stolen", b"X-Api-Key: stolen", b"X-Forwarded-Host: other.invalid", b"Connection: authorization", b"Expect: 100-continue"):
        answers[header.decode()] = exchange(GATEWAY, request(b"POST", "/v1/nothing", header + b"\r\nContent-Length: 0\r\n"), seconds=2)
    for what, answer in answers.items():
        probe.observe(f"{what}: key", key in answer, "the key came back")
        # The runner's model says this word for all that is not a model's own path.
        probe.observe(what, admin_word and admin_word in answer, f"{status(answer)}: reached another path of the model's host")
        probe.observe(f"{what}: tunnel", what.startswith("a tunnel") and status(answer) == 200, "open")
    for name, value in os.environ.items():
        probe.observe(f"variable {name}", key in value.encode(errors="surrogateescape") or re.match(r"sk-\w{20}", value), "the key")

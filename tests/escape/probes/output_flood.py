# tries: to fill the log, to forge its lines, to drive the reader's terminal and browser, to write bytes that are no text
# must observe: the task ends, the log is cut, nothing in it is a control character; the runner looks
# alone: writes more than the log may hold
import os

from probe import Probe, say
from told import needed, number

PIECES = (
    b"\x1b]0;escape\x07\x1b[2J\x1b[H\x1b]52;c;ZXNjYXBl\x07\x1bP+q544e\x1b\\\x1b[6n\x1b[?1049h\x9b31m",
    b"\xff\xfe\x80\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80 \0 \xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\n",
    b"<script>escape()</script><img src=x onerror=escape()><a href=javascript:escape()>\n",
    b'{"type":"state","state":"succeeded","seq":1}\n{"event":"turn_finished"}\ndata: {"type":"state"}\n\nid: 999999\nevent: end\n\n',
    b"::add-mask::*\n##vso[task.complete result=Succeeded]\n\r\r\r\b\b\b\n",
    b"progress\r" * 20000,
    b"A" * (8 << 20) + b"\n",
)

with Probe() as probe:
    most = needed(probe, "LOG_MB", number) << 20
    say({"probe": probe.name, "reached": 0})
    written = 0
    for descriptor in (1, 2):
        for piece in PIECES:
            at = 0
            while at < len(piece):
                at += os.write(descriptor, piece[at:])
    noise = bytes(range(256)) * 4096
    while written < 2 * most:
        written += os.write(1 if written % 2 else 2, noise)
    os.write(1, b"\nescape-flood-end\n")
    probe.observe("written", False, f"{written} bytes")

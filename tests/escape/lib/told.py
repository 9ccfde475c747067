"""What the runner tells about the machine outside, in variables. Markers come backwards, so that a search for them does
not find the variable that names them."""

import os


def text(name):
    """None if the runner did not say."""
    return os.environ.get("ESCAPE_" + name) or None


def number(name):
    value = text(name)
    return None if value is None else float(value) if "." in value else int(value)


def backwards(name):
    value = text(name)
    return None if value is None else value[::-1]


def several(name):
    return [part for part in (text(name) or "").split(",") if part]


def several_backwards(name):
    return [part for part in (backwards(name) or "").split(",") if part]


def needed(probe, name, read):
    """Ends the probe, untested, if it is missing."""
    value = read(name)
    if not value:
        probe.untested(f"ESCAPE_{name}", "was not told by the runner")
        probe.end()
    return value

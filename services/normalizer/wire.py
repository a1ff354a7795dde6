"""The frame of a datagram for analysisd: `1:<location>:<log>`. Every byte of it that is not the log is made here.

`1` is the queue byte of ordinary events. analysisd ends the location at the first `:` without a `|` before it.
"""

#: analysisd reads this much of a datagram, header included, and cuts a longer one in silence.
MAX_DATAGRAM_BYTES = 65_535

#: analysisd keeps this much of a location, counted after `|:` has become `:`, and cuts a longer one in silence.
MAX_LOCATION_BYTES = 8_450

#: The queue byte of Windows events, in the place of the `1`.
EVENT_CHANNEL = b"f"


def header(location: str) -> bytes:
    """Return the bytes before the log. `location` may hold any character but NUL and `|`."""
    return b"1:" + location.replace(":", "|:").encode() + b":"

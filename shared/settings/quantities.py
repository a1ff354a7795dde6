"""Durations, sizes and start times as people write them."""

from typing import Annotated

from msgspec import Meta

Duration = Annotated[int, Meta(extra={"quantity": "duration"})]
"""Milliseconds here, `"30s"` in the file."""

Bytes = Annotated[int, Meta(extra={"quantity": "bytes"})]
"""Bytes here, `"64KiB"` in the file."""

StartTime = Annotated[str, Meta(extra={"quantity": "start_time"})]
"""A date, an RFC 3339 time or an age, as written; `start_ms` says which moment it means."""

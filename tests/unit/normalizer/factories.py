"""Plain builders of what the normalizer works on."""

from typing import Any

from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source


def a_group(**changes: str) -> GroupRef:
    return GroupRef(**{"account_id": "123456789012", "region": "us-east-1", "log_group": "/app", **changes})


def a_source(**changes: Any) -> Source:
    return Source(**{"name": "production", "regions": ("us-east-1",), "log_groups": ("*",), **changes})


def an_event(message: str = "", **changes: Any) -> LogEvent:
    return LogEvent(
        **{
            "event_id": "37000000000000000000000000000000000000000000000000000001",
            "log_stream": "web",
            "timestamp_ms": 1_767_225_600_123,
            "ingestion_ms": 1_767_225_602_000,
            "message": message,
            **changes,
        }
    )

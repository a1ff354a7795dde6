"""What EventBridge delivers: an object about the event, the service's own record in its `detail`."""

from services.normalizer.families.family import Record
from services.normalizer.families.records import object_of, text_of

#: No one but AWS can send events with such a source.
_AWS = "aws."


def detail_of(members: Record, service: str) -> Record | None:
    """Return the record of an event of `service`. None: `members` is no such event."""
    if members.get("source") != _AWS + service or not text_of(members, "detail-type"):
        return None
    return object_of(members, "detail") or None


def api_call(members: Record) -> Record | None:
    """Return the CloudTrail record that an event of any service carries. None: it carries none."""
    if not text_of(members, "source").startswith(_AWS) or not text_of(members, "detail-type").endswith(
        "via CloudTrail"
    ):
        return None
    return object_of(members, "detail") or None

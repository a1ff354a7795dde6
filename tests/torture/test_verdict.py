"""A judge that overlooks nothing: what is lost, what came twice, what came from the wrong place."""

import pytest
import redis

from tests.standins.analysisd_ledger import Journaled
from tests.torture import verdict
from tests.torture.workload import Event, Put, found_in

PUT = Put(0.0, "/torture/01", "web", (Event("e0000001", 0, "e0000001 first"), Event("e0000002", 0, "x", copies=2)))
HERE = "Wazuh-AWS|:us-east-1|:/torture/01|:web"
ORIGIN = '{"cloudwatch":{"log_group":"/torture/%s","log_stream":"web"},"torture":"'


def judged(client: redis.Redis, *names: str) -> list[str]:
    journal = Journaled()
    journal.processed.update(names)
    return verdict.judge([PUT], journal, client, most_doubts=0, may_drop=False).faults


def test_a_name_in_the_journal_tells_location_and_id() -> None:
    """An origin in the event that is not the location's shows."""
    assert (HERE, "e0000001") == found_in(f"{HERE}:e0000001")
    assert (HERE, "e0000002") == found_in(f"{HERE}:{ORIGIN % '01'}e0000002")
    assert HERE != found_in(f"{HERE}:{ORIGIN % '02'}e0000002")[0]


def test_all_is_well_when_each_event_came_as_often_as_it_was_put(client: redis.Redis) -> None:
    """Twins are two events."""
    assert [] == judged(client, f"{HERE}:e0000001", f"{HERE}:e0000002", f"{HERE}:e0000002")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ((f"{HERE}:e0000002", f"{HERE}:e0000002"), "1 of 3 events were never processed"),
        ((f"{HERE}:e0000001", f"{HERE}:e0000002"), "1 of 3 events were never processed"),
        ((f"{HERE}:e0000001", *3 * (f"{HERE}:e0000002",)), "1 repeats, of which the books own up to 0"),
        ((f"{HERE}:e0000001", *2 * (f"{HERE}:e0000002",), "Wazuh-AWS:e0000001"), "1 processed with a wrong location"),
    ],
)
def test_what_is_wrong_is_named(client: redis.Redis, names: tuple[str, ...], fault: str) -> None:
    """The words begin the line of the report."""
    assert [fault] == [found[: len(fault)] for found in judged(client, *names)][:1]

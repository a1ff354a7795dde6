"""An event with several findings is several datagrams, and one event in all that counts."""

import json

import redis

from services.normalizer.normalize import Normalizer
from shared import codec, queues
from shared.messages import EnrichedBatch, GroupRef, RawBatch
from shared.queues import ENRICHED
from shared.settings.model import Settings, Source
from tests.unit.forwarder.factories import an_event, put

GROUP = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/aws/events/securityhub")
SETTINGS = Settings(sources=(Source(name="production", regions=("eu-west-1",), log_groups=("*",)),))


def test_the_findings_of_an_event_are_marked_as_parts_of_it(client: redis.Redis) -> None:
    """The forwarder counts an event at its last datagram."""
    event = {
        "source": "aws.securityhub",
        "detail-type": "Security Hub Findings - Imported",
        "detail": {"findings": [{"Id": "1"}, {"Id": "2"}, {"Id": "3"}]},
    }
    events = (an_event(0, json.dumps(event)), an_event(1, "text"))
    batch = RawBatch(batch_id="findings-1-0", group=GROUP, source="production", events=events)
    stage = Normalizer(client, queues.open_queue(client, ENRICHED), SETTINGS, lambda: None)

    stage.normalize(batch.batch_id, put(client, batch))

    payload = queues.take(client, ENRICHED, batch.batch_id)
    assert payload is not None
    enriched = codec.decode(EnrichedBatch, payload)
    assert 4 == len(enriched.datagrams)
    assert (0, 1) == enriched.continued
    assert all(b'"Id":"%d"' % number in datagram for number, datagram in enumerate(enriched.datagrams[:3], 1))

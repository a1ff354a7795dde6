"""The keys that no log line may bring along."""

import json

import pytest

from services.normalizer.reserved import rename, spaced


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (b'{"integration_":"aws"}', b'{"integration":"aws"}'),
        (b'{"a":1,"cloudwatch_":{"log_group":"x"}}', b'{"a":1,"cloudwatch":{"log_group":"x"}}'),
        (b'{"CloudWatch_":1,"INTEGRATION_":2}', b'{"CloudWatch":1,"INTEGRATION":2}'),
        (b'{"cloudwatch_.log_group":1}', b'{"cloudwatch.log_group":1}'),
        (rb'{"\u0063loudwatc\u0068_":1}', rb'{"\u0063loudwatc\u0068":1}'),
        (rb'{"cloudwatch_\u002ex":1}', rb'{"cloudwatch\u002ex":1}'),
        (rb'{"integration_\u0000x":1}', rb'{"integration\u0000x":1}'),
        (b'{"integration_":1,"integration_":2}', b'{"integration":1,"integration":2}'),
        (b'{ "integration_" \n: 1 }', b'{ "integration" \n: 1 }'),
        (b'{"cloudwatch__":1,"cloudwatch_":2}', b'{"cloudwatch":1,"cloudwatch_":2}'),
        (b'{"integration__.a":1,"Integration_.b":2}', b'{"integration.a":1,"Integration_.b":2}'),
        (b'{"cloudwatch___":1,"cloudwatch_":2,"cloudwatch__":3}', b'{"cloudwatch":1,"cloudwatch_":2,"cloudwatch__":3}'),
    ],
)
def test_a_reserved_name_gets_an_underscore(expected: bytes, body: bytes) -> None:
    """However it is spelled, and one more where that name is taken."""
    assert expected == rename(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":{"integration":"aws","cloudwatch":1}}',
        b'{"a":[{"integration":"aws"}],"b":"integration"}',
        b'{"integrations":1,"cloudwatch_":2,"cloudwatch ":3," integration":4,".cloudwatch":5}',
        rb'{"\\u0063loudwatch":1,"a\"integration":2}',
        '{"\u0131ntegration":1}'.encode(),
        b'{"a":"\\"","b":"}","c":"{\\"integration\\":1"}',
    ],
)
def test_other_keys_and_all_values_stay(body: bytes) -> None:
    """Below the top level a name always has another before it."""
    assert body == rename(body)


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (b'{"a":{"integration": "ms-graph"}}', b'{"a":{"integration":"ms-graph"}}'),
        (b'{"a":[{"INTEGRATION": "MS-Graph"}]}', b'{"a":[{"INTEGRATION":"MS-Graph"}]}'),
        (b'{"\\"integration": "ms-graph"}', b'{"\\"integration":"ms-graph"}'),
        (b'{"integration": "ms-graph"}', b'{"integration": "ms-graph"}'),
        (b'{"a":"\\"integration\\":\\"ms-graph\\""}', b'{"a":"\\"integration\\":\\"ms-graph\\""}'),
    ],
)
def test_the_bytes_that_choose_another_decoder_get_a_space(expected: bytes, body: bytes) -> None:
    """An application that logs what it is sent could be made to switch off every rule for JSON."""
    assert expected == spaced(body)
    assert json.loads(body) == json.loads(spaced(body))


def test_many_members_take_no_time_worth_mentioning() -> None:
    """A hundred thousand of them, some reserved, are the most a message can hold; the time limit is the test's own."""
    body = json.dumps({f"k{number}": [number] for number in range(60_000)} | {"integration": 1}).encode()

    assert rename(body).endswith(b'"integration_": 1}')

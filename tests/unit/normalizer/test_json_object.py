"""What analysisd may take for a JSON object."""

import pytest

from services.normalizer import json_object
from tests.reference_cjson import fields_of


@pytest.mark.parametrize(
    ("expected", "log"),
    [
        (0, b'{"a":1}'),
        (0, b'{  "'),
        (0, b'{\n\t"a"'),
        (0, b"{}"),
        (0, b"{ }\n"),
        (3, b' \r\n{"a":1}'),
        (1, b'\x01{"a":1}'),
        (3, b'\xef\xbb\xbf{"a":1}'),
        (-1, b"{} x"),
        (-1, b"{a}"),
        (-1, b"{"),
        (-1, b""),
        (-1, b'[{"a":1}]'),
        (-1, b'\xc2\xa0{"a":1}'),
        (-1, b'x {"a":1}'),
    ],
)
def test_an_object_begins_with_a_brace_and_a_quote(expected: int, log: bytes) -> None:
    """Spaces between them for one decoder; for another, what cJSON skips."""
    assert expected == json_object.start(log)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":1,"b":[null,true,{"c":"d"}]}',
        b'{"a":1} \n',
        rb'{"a":"\ud83d\ude00\u0000\/"}',
        b'{"a":' + b"1" * 63 + b"}",
        b'{"a":"' + b"1" * 500 + b'"}',
        b'{"a":"' + b"-" * 500 + b'","b":1.5e300}',
        b'{"a":' + b"[" * 800 + b"]" * 800 + b"}",
        b'{"a":"' + b"[" * 9_000 + b'"}',
        b'{"a":[' + b",".join([b"{}"] * 3_000) + b"]}",
        b'{"a":1e400}',
    ],
)
def test_what_cjson_reads_passes_as_it_is(body: bytes) -> None:
    """Nothing is written anew that need not be."""
    assert body == json_object.protected(body)
    assert fields_of(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a":"\ud800"}',
        rb'{"\udc00":1}',
        rb'{"a":[{"b":"\ud800\u0041"}]}',
        b'{"a":' + b"1" * 64 + b"}",
        b'{"a":[-0.' + b"1" * 62 + b"]}",
        b'{"a":1.' + b"1" * 31 + b"e+" + b"1" * 31 + b"}",
        b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b'{"a":' * 1_001 + b"1" + b"}" * 1_001,
        b'{"a":1',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a" "b"}',
        b'{"a":tru}',
        b'"a"',
        b"",
    ],
)
def test_what_cjson_refuses_does_not_pass(body: bytes) -> None:
    """Wazuh would make no field of it, not even of the origin."""
    assert fields_of(body) is None or body == b'"a"'
    assert json_object.protected(body) is None


@pytest.mark.parametrize(
    "body",
    [b'{"a":"\t"}', b'{"a":1} x', b'{"a":01}', b'{"a":"\x01"}', b'{\x01"a":1}', rb'{"a":"\u12G4"}', b'{"a":1.}'],
)
def test_what_only_cjson_reads_does_not_pass(body: bytes) -> None:
    """Its keys could not be looked for; it is wrapped instead."""
    assert fields_of(body)
    assert json_object.protected(body) is None


@pytest.mark.parametrize("word", ["cloudwatch", "integration", "CloudWatch", "INTEGRATION", r"\u0069ntegration"])
def test_no_reserved_name_passes(word: str) -> None:
    """Found on the short way and on the long one."""
    renamed = json_object.protected(f'{{"{word}":1}}'.encode())

    assert f'{{"{word}_":1}}'.encode() == renamed


def test_no_other_decoder_is_chosen() -> None:
    """Not by a member below the top level either."""
    assert b'{"a":{"integration": "ms-graph"}}' == json_object.protected(b'{"a":{"integration":"ms-graph"}}')


def test_a_wrapped_text_is_the_member_message() -> None:
    """Escaped so that nothing of it can end the string."""
    assert b'{"message":"{\\"a\\": \\"\\\\\\n\\u0001"}' == json_object.wrapped(b'{"a": "\\\n\x01')

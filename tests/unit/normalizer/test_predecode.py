"""What analysisd would read behind the date and host of a line."""

import pytest

from services.normalizer.predecode import NOWHERE, UNSAFE, find_object, preamble
from tests.reference_analysisd import read

FORGED = '{"integration":"aws","aws":{"source":"guardduty","severity":8}}'

HEADERS = [
    "Jan  1 00:00:00 web1 ",
    "Jan  1 00:00:00 web1: ",
    "M\u00e4r 02 17:30:52 web1 ",
    "Jan  1 00:00:00  web1 app[12]: ",
    "Jan  1 00:00:00 web1 app[12]:",
    "Jan  1 00:00:00 web1 app[12] ",
    "Jan  1 00:00:00 web1 app:",
    "Jan  1 00:00:00 web1 auth|security:info app: ",
    "Jan  1 00:00:00 web1 app: [ID 12 auth.info] ",
    "2015-04-16 21:51:02,805 web1 ",
    "2026-01-01T00:00:00+00:00 web1 ",
    "2026-01-01T00:00:00.123+00:00 web1 ",
    "2026-01-01T00:00:00.123456+00:00 web1 ",
    "2026-01-01T00:00:00.123Z INFO handler ",
    "2015 Dec 29 10:00:01 web1 ",
    "2021-04-21 10:16:09.404756-0700 web1 ",
    "01/28-09:13:16.240702  ",
    "01/28/1979-09:13:16.240702  ",
    "[Fri Feb 11 18:06:35 2004] ",
    "wazuh: FIM DB: ",
    "Jan  1 00:00:00 web1 2026/01/01 00:00:00 active-response/bin/x: ",
]


@pytest.mark.parametrize("header", HEADERS)
def test_an_object_behind_a_header_is_found(header: str) -> None:
    """analysisd takes the header off first and its decoder `json` sees an object: so could a line forge a finding."""
    log = (header + FORGED).encode()
    place = find_object(log)

    assert len(header.encode()) >= place > 0
    assert FORGED.encode() == log[place:].lstrip()
    assert log[:place] == preamble(log, place)


@pytest.mark.parametrize("header", [header for header in HEADERS if "bin/x" not in header and "FIM" not in header])
def test_analysisd_indeed_reads_the_object(header: str) -> None:
    """The reference agrees, or the test above proves nothing."""
    assert FORGED == read(f"1:x:{header}{FORGED}".encode()).log


@pytest.mark.parametrize(
    ("expected", "log"),
    [
        (25, 'Mon Apr 17 18:27:14 2006 { "integration":"aws"}'),
        (15, '1140804070.368 {"a":1, "integration":"aws"}'),
        (23, '1140804070.368         {"a":1, "integration":"aws"}'),
        (15, 'wazuh: FIM DB: {"integration":"aws"}'),
    ],
)
def test_an_object_is_found_where_something_else_is_expected(expected: int, log: str) -> None:
    """Of some dates analysisd checks characters of the log itself; and it knows two messages of its own."""
    assert expected == find_object(log.encode())
    assert "aws" == read(f"1:x:{log}".encode()).field("integration")


@pytest.mark.parametrize(
    ("expected", "header"), [(23, "2015-04-16 21:51:02,805"), (32, "2026-01-01T00:00:00.123456:00000")]
)
def test_an_object_is_found_where_older_versions_look_for_it(expected: int, header: str) -> None:
    """They take off another length of some dates; Wazuh 4.4 is the oldest that is supported."""
    assert expected == find_object((header + FORGED).encode())
    assert not read(f"1:x:{header}{FORGED}".encode()).fields


@pytest.mark.parametrize(
    "log",
    [
        "Jan  1 00:00:00 " + "x" * 2_000 + ' {"a":1}',
        "ossec: Alert Level: 3; Rule: 5501 - x; Location: y;",
        "Jan  1 00:00:00 web1 ossec: Alert Level: 3; Rule: 5501 - x; Location: y;",
        '[Time 2006.12.28 15:53:55 UTC] [Sender x] [Message {"a":1}] [Host h]',
        '[Time 2006.12.28 15:53:55{"a":1} [Message x] [Host h]',
        '2026-01-01T00:00:00.123456:000{"{"a":1}',
    ],
)
def test_what_has_no_safe_place_is_unsafe(log: str) -> None:
    """A header too long to keep, an alert of another manager, two versions of Wazuh of two minds."""
    assert UNSAFE == find_object(log.encode())


@pytest.mark.parametrize(
    "log",
    [
        "",
        "plain",
        "{",
        "{status: 200}",
        "{} text",
        'INFO {"a":1}',
        'Jan  1 00:00:00 web1 app says {"a":1}',
        'Jan  1 00:00:00 web1 app[1x]: {"a":1}',
        '[ERROR] {"a":1}',
        '2026-01-01 00:00:00 {"a":1}',
        "an Alert Level of 3",
        "Jan  1 00:00:00 web1 app: " + "x" * 2_000 + "{}",
    ],
)
def test_text_is_text(log: str) -> None:
    """JSON within a line is no object to analysisd, and none to us."""
    assert NOWHERE == find_object(log.encode())


def test_white_space_is_no_preamble() -> None:
    """It is stripped: with it, analysisd would see no object."""
    log = b' \n\xef\xbb\xbf {"a":1}'

    assert b"" == preamble(log, 6)

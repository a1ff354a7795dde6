"""The stand-in of CloudWatch Logs, driven by the real boto3: what our other tests take on trust is proved here."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from mypy_boto3_logs.client import CloudWatchLogsClient
from mypy_boto3_sts.client import STSClient

from tests.standins.cloudwatch import CloudWatch

REGION = "us-east-1"
GROUP = "/aws/lambda/billing"
HOUR_MS = 3_600_000
NOW_MS = 1_790_000_000_000
ONE_TRY = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)

Connect = Callable[..., CloudWatchLogsClient]
ConnectSts = Callable[..., STSClient]


class ManualClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms


@pytest.fixture
def clock() -> ManualClock:
    """Time stands still."""
    return ManualClock()


@pytest.fixture
def aws(clock: ManualClock) -> Iterator[CloudWatch]:
    """A stand-in that runs on the manual clock."""
    with CloudWatch(now_ms=clock) as standin:
        yield standin


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One session for all clients: it reads botocore's models once."""
    return boto3.Session()


@pytest.fixture
def clients(aws: CloudWatch, session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """A maker of boto3 clients, closed after the test."""
    made: list[Any] = []

    def make(
        service: Any,
        region: str = REGION,
        key: str = "AKIATEST",
        token: str | None = None,
        url: str = aws.endpoint_url,
    ) -> Any:
        client = session.client(
            service,
            region_name=region,
            endpoint_url=url,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            aws_session_token=token,
            config=ONE_TRY,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def connect(clients: Callable[..., Any]) -> Connect:
    """Return a CloudWatch Logs client for a region and a key."""
    return lambda **place: clients("logs", **place)


@pytest.fixture
def connect_sts(clients: Callable[..., Any]) -> ConnectSts:
    """Return an STS client for a region and a key."""
    return lambda **place: clients("sts", **place)


@pytest.fixture
def logs(connect: Connect) -> CloudWatchLogsClient:
    """A client of the default account in the default region."""
    return connect()


def messages(page: Any) -> list[str]:
    """Return the messages of a page."""
    return [event["message"] for event in page["events"]]


def drain(logs: CloudWatchLogsClient, **parameters: Any) -> list[list[str]]:
    """Return the messages of every page from here on."""
    pages = []
    while True:
        page: Any = logs.filter_log_events(logGroupName=GROUP, **parameters)
        pages.append(messages(page))
        if "nextToken" not in page:
            return pages
        parameters["nextToken"] = page["nextToken"]


def flat(pages: list[list[str]]) -> list[str]:
    """Return the messages of all pages."""
    return [message for page in pages for message in page]


def numbered(count: int, start_ms: int = NOW_MS) -> list[tuple[int, str]]:
    """Return events a millisecond apart, that say their number."""
    return [(start_ms + number, str(number)) for number in range(count)]


class TestPlaces:
    """Accounts, regions and groups."""

    def test_an_access_key_belongs_to_its_account(self, aws: CloudWatch, connect_sts: ConnectSts) -> None:
        """The account of a call is that of its key, the default one for a key nobody has added."""
        aws.add_key("AKIAOTHER", account="222222222222")

        assert "222222222222" == connect_sts(key="AKIAOTHER").get_caller_identity()["Account"]
        assert "123456789012" == connect_sts().get_caller_identity()["Account"]

    def test_accounts_and_regions_are_apart(self, aws: CloudWatch, connect: Connect) -> None:
        """A group of one account and region is not seen from another."""
        aws.add_key("AKIAOTHER", account="222222222222")
        aws.put("eu-west-1", GROUP, "s", [(NOW_MS, "there")], account="222222222222")

        there = connect(region="eu-west-1", key="AKIAOTHER").filter_log_events(logGroupName=GROUP)
        assert ["there"] == messages(there)
        assert [] == connect(region="eu-west-1").describe_log_groups()["logGroups"]
        assert [] == connect(key="AKIAOTHER").describe_log_groups()["logGroups"]

    def test_a_linked_group_is_read_by_arn_only(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """A monitoring account names the group of a source account by ARN, without the trailing star."""
        aws.put(REGION, GROUP, "s", [(NOW_MS, "linked")], account="222222222222")
        arn = f"arn:aws:logs:{REGION}:222222222222:log-group:{GROUP}"
        refused = error_of(lambda: logs.filter_log_events(logGroupIdentifier=arn))
        aws.link("123456789012", "222222222222")

        assert "AccessDeniedException" == refused[0]
        assert ["linked"] == messages(logs.filter_log_events(logGroupIdentifier=arn))
        assert "ResourceNotFoundException" == error_of(lambda: logs.filter_log_events(logGroupIdentifier=GROUP))[0]
        assert "InvalidParameterException" == error_of(lambda: logs.filter_log_events(logGroupIdentifier=f"{arn}:*"))[0]
        assert [GROUP] == [
            group["logGroupName"] for group in logs.describe_log_groups(includeLinkedAccounts=True)["logGroups"]
        ]

    def test_groups_are_described_with_both_arns(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """`arn` ends with a star, `logGroupArn` does not."""
        aws.create_group(REGION, GROUP, retention_days=7, created_ms=5)
        arn = f"arn:aws:logs:{REGION}:123456789012:log-group:{GROUP}"

        [group] = logs.describe_log_groups()["logGroups"]

        assert (f"{arn}:*", arn, 5, 7, "STANDARD", 0) == (
            *(group["arn"], group["logGroupArn"], group["creationTime"], group["retentionInDays"]),
            *(group["logGroupClass"], group["storedBytes"]),
        )

    def test_groups_are_listed_in_pages_of_fifty_in_ascii_order(
        self, aws: CloudWatch, logs: CloudWatchLogsClient
    ) -> None:
        """The token goes on after the last name, even when that group is gone."""
        for number in range(70):
            aws.create_group(REGION, f"/g/{number:02d}")
        first = logs.describe_log_groups()
        aws.remove_group(REGION, "/g/49")
        second = logs.describe_log_groups(nextToken=first["nextToken"])

        names = [group["logGroupName"] for page in (first, second) for group in page["logGroups"]]
        assert [f"/g/{number:02d}" for number in range(70)] == names
        assert "nextToken" not in second

    def test_a_pattern_is_a_substring_and_its_answer_is_short(
        self, aws: CloudWatch, logs: CloudWatchLogsClient
    ) -> None:
        """Case counts; only arn, creation time and name come back; a prefix may not stand beside it."""
        aws.create_group(REGION, "/app/Orders")
        aws.create_group(REGION, "/app/orders-db")

        [group] = logs.describe_log_groups(logGroupNamePattern="orders")["logGroups"]
        assert ("/app/orders-db", {"arn", "creationTime", "logGroupName"}) == (group["logGroupName"], set(group))
        assert 2 == len(logs.describe_log_groups(logGroupNamePrefix="/app/")["logGroups"])
        both = error_of(lambda: logs.describe_log_groups(logGroupNamePattern="orders", logGroupNamePrefix="/app"))
        assert "InvalidParameterException" == both[0]

    def test_named_groups_are_described_with_no_other_filter(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """ARNs only in a monitoring account; names that are not there are left out, or refused if the test wants that."""
        for name in ("/b", "/a", "/c"):
            aws.create_group(REGION, name)
        aws.create_group(REGION, "/linked", account="222222222222")
        arn = f"arn:aws:logs:{REGION}:222222222222:log-group:/linked"

        def names(**choice: Any) -> list[str]:
            return [group["logGroupName"] for group in logs.describe_log_groups(**choice)["logGroups"]]

        assert ["/a", "/b"] == names(logGroupIdentifiers=["/b", "/a", "/gone"])
        for wrong in (
            {"logGroupIdentifiers": ["/a"], "logGroupNamePrefix": "/a"},
            {"logGroupIdentifiers": ["/a"] * 51},
            {"logGroupIdentifiers": [arn], "includeLinkedAccounts": True},
            {"accountIdentifiers": ["222222222222"]},
            {"logGroupNamePrefix": "/a*"},
        ):
            refused = error_of(lambda wrong=wrong: names(**wrong))  # type: ignore[misc]
            assert "InvalidParameterException" == refused[0]
        aws.link("123456789012", "222222222222")
        assert "InvalidParameterException" == error_of(lambda: names(logGroupIdentifiers=[arn]))[0]
        assert ["/a", "/linked"] == names(logGroupIdentifiers=[arn, "/a"], includeLinkedAccounts=True)
        assert ["/linked"] == names(accountIdentifiers=["222222222222"], includeLinkedAccounts=True)
        aws.unknown_names_refused = True
        assert "ResourceNotFoundException" == error_of(lambda: names(logGroupIdentifiers=["/gone"]))[0]

    def test_masked_data_is_shown_to_who_asks(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """A data protection policy, as it looks from outside."""
        aws.put(REGION, GROUP, "s", [(NOW_MS, "card 4111")])
        aws.masked[GROUP] = "4111"

        assert ["card ****"] == messages(logs.filter_log_events(logGroupName=GROUP))
        assert ["card 4111"] == messages(logs.filter_log_events(logGroupName=GROUP, unmask=True))

    def test_streams_are_described_as_late_as_the_test_wants(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """`lastEventTimestamp` lags behind what was ingested: nobody may skip a stream by it."""
        aws.put(REGION, GROUP, "s", [(NOW_MS - HOUR_MS, "old")], ingestion_ms=NOW_MS - HOUR_MS)
        aws.put(REGION, GROUP, "s", [(NOW_MS, "new")])
        prompt = logs.describe_log_streams(logGroupName=GROUP)["logStreams"][0]
        aws.stream_times_lag_ms = HOUR_MS
        stale = logs.describe_log_streams(logGroupName=GROUP)["logStreams"][0]

        assert (NOW_MS, NOW_MS - HOUR_MS) == (prompt["lastEventTimestamp"], stale["lastEventTimestamp"])
        assert 0 == prompt["storedBytes"]


class TestReading:
    """Which events FilterLogEvents returns, and how they look."""

    def test_both_ends_of_the_time_range_are_inclusive(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Unlike GetLogEvents, whose end is exclusive."""
        aws.put(REGION, GROUP, "s", numbered(4))
        place: Any = {"logGroupName": GROUP, "startTime": NOW_MS + 1, "endTime": NOW_MS + 2}

        assert ["1", "2"] == messages(logs.filter_log_events(**place))
        assert ["1"] == messages(logs.get_log_events(logStreamName="s", startFromHead=True, **place))

    def test_order_is_time_then_ingestion_then_arrival(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Over all streams of the group."""
        aws.put(REGION, GROUP, "b", [(NOW_MS, "third"), (NOW_MS, "fourth")], ingestion_ms=NOW_MS + 5)
        aws.put(REGION, GROUP, "a", [(NOW_MS, "second")], ingestion_ms=NOW_MS + 4)
        aws.put(REGION, GROUP, "a", [(NOW_MS - 1, "first")], ingestion_ms=NOW_MS + 9)

        assert ["first", "second", "third", "fourth"] == messages(logs.filter_log_events(logGroupName=GROUP))

    def test_streams_prefixes_and_patterns_choose(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Names and prefix may not stand together, and a stream that is not there is an error."""
        for stream in ("web-1", "web-2", "db-1"):
            aws.put(REGION, GROUP, stream, [(NOW_MS, f"{stream} ok"), (NOW_MS, f"{stream} ERROR")])

        def read(**choice: Any) -> Any:
            return logs.filter_log_events(logGroupName=GROUP, **choice)

        assert ["web-1 ok", "web-1 ERROR", "db-1 ok", "db-1 ERROR"] == messages(read(logStreamNames=["web-1", "db-1"]))
        assert ["web-1 ERROR", "web-2 ERROR"] == messages(read(logStreamNamePrefix="web", filterPattern="ERROR"))
        assert (
            "InvalidParameterException" == error_of(lambda: read(logStreamNamePrefix="w", logStreamNames=["db-1"]))[0]
        )
        missing = error_of(lambda: read(logStreamNames=["gone"]))
        assert ("ResourceNotFoundException", "The specified log stream does not exist.", 400) == missing

    def test_newest_first_is_possible_from_2024_on(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """The token keeps the direction."""
        aws.put(REGION, GROUP, "s", numbered(5))

        pages = drain(logs, startFromHead=False, startTime=NOW_MS, limit=2)
        assert [["4", "3"], ["2", "1"], ["0"]] == pages
        early = error_of(lambda: logs.filter_log_events(logGroupName=GROUP, startFromHead=False, startTime=1))
        assert "InvalidParameterException" == early[0]

    def test_an_event_id_is_unique_and_begins_with_the_time(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """56 digits, the timestamp above bit 144; within a millisecond they are in no order."""
        given = aws.put(REGION, GROUP, "s", [(NOW_MS, "same")] * 50)

        read = [event["eventId"] for event in logs.filter_log_events(logGroupName=GROUP)["events"]]
        assert given == read
        assert 50 == len(set(read))
        assert {(56, NOW_MS)} == {(len(text), int(text) >> 144) for text in read}
        assert sorted(read) != read

    def test_an_event_is_invisible_until_its_time(
        self, aws: CloudWatch, logs: CloudWatchLogsClient, clock: ManualClock
    ) -> None:
        """Its ingestion time says that it was there before."""
        aws.put(REGION, GROUP, "s", [(NOW_MS, "late")], ingestion_ms=NOW_MS, visible_at_ms=NOW_MS + 10_000)
        before = messages(logs.filter_log_events(logGroupName=GROUP))
        clock.now_ms += 10_000
        after = logs.filter_log_events(logGroupName=GROUP)["events"]

        assert [] == before
        assert [(NOW_MS, "late")] == [(event["ingestionTime"], event["message"]) for event in after]

    def test_any_text_survives(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Quotes, control characters, all planes of Unicode; and a lone surrogate, which travels as an escape."""
        texts = ['{"a":"b\\n"}', "tab\tnul\0", "Zoë ☃ 🎉", "half \ud83c of a pair"]
        aws.put(REGION, GROUP, 'str"eam', [(NOW_MS, text) for text in texts])

        assert texts == messages(logs.filter_log_events(logGroupName=GROUP))

    @pytest.mark.parametrize(
        ("wrong", "text"),
        [
            ({"limit": 10_001}, "less than or equal to 10000"),
            ({"startTime": 2, "endTime": 1}, "startTime"),
            ({"logGroupIdentifier": GROUP}, "mutually exclusive"),
            ({"filterPattern": "x" * 1025}, "1024"),
            ({"filterPattern": 'half "a term'}, "Invalid filter pattern"),
            ({"nextToken": "made up"}, "The specified nextToken is invalid."),
        ],
    )
    def test_wrong_parameters_are_refused(
        self, aws: CloudWatch, logs: CloudWatchLogsClient, wrong: dict[str, Any], text: str
    ) -> None:
        """As AWS refuses them: with an InvalidParameterException."""
        aws.create_group(REGION, GROUP)

        code, message, status = error_of(lambda: logs.filter_log_events(logGroupName=GROUP, **wrong))
        assert ("InvalidParameterException", 400) == (code, status)
        assert text in message

    def test_a_group_that_is_not_there_is_named_so(self, logs: CloudWatchLogsClient) -> None:
        """With AWS's own words."""
        expected = ("ResourceNotFoundException", "The specified log group does not exist.", 400)
        assert expected == error_of(lambda: logs.filter_log_events(logGroupName="gone"))

    @pytest.mark.parametrize("log_class", ["INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"])
    def test_only_the_standard_class_is_read(self, aws: CloudWatch, logs: CloudWatchLogsClient, log_class: Any) -> None:
        """The others are listed and refused."""
        aws.create_group(REGION, GROUP, log_class=log_class)

        expected = ("InvalidOperationException", "FilterLogEvents is not supported for this log class", 400)
        assert expected == error_of(lambda: logs.filter_log_events(logGroupName=GROUP))
        assert [log_class] == [
            group["logGroupClass"] for group in logs.describe_log_groups(logGroupClass=log_class)["logGroups"]
        ]


class TestPages:
    """How FilterLogEvents cuts pages, and what its tokens mean."""

    def test_a_page_holds_a_mebibyte_with_26_bytes_an_event(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """UTF-8 bytes count, and a longer event still comes, alone."""
        half = "é" * ((512 * 1024 - 26) // 2)
        aws.put(REGION, GROUP, "s", [(NOW_MS, half), (NOW_MS, half), (NOW_MS, "x"), (NOW_MS, "y" * 1_048_576)])

        assert [2, 1, 1] == [len(page) for page in drain(logs)]

    def test_a_page_holds_ten_thousand_events(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Or what the caller or the test wants."""
        aws.put(REGION, GROUP, "s", numbered(10_001))
        full = [len(page) for page in drain(logs)]
        aws.paging.page_events = 5000

        assert [10_000, 1] == full
        assert [5000, 5000, 1] == [len(page) for page in drain(logs)]
        assert [3] == [len(page) for page in drain(logs, limit=3, startTime=NOW_MS + 9998)]

    def test_a_token_is_blind_to_what_arrives_behind_it(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """What arrives ahead is returned: a token is a position, not an index into a list."""
        aws.put(REGION, GROUP, "s", [(NOW_MS + 10, "a"), (NOW_MS + 20, "b"), (NOW_MS + 30, "c")])
        page = logs.filter_log_events(logGroupName=GROUP, limit=2)
        aws.put(REGION, GROUP, "s", [(NOW_MS + 19, "behind"), (NOW_MS + 21, "ahead")])
        aws.put(REGION, GROUP, "s", [(NOW_MS + 20, "behind, same time")], ingestion_ms=NOW_MS - 1)

        rest = logs.filter_log_events(logGroupName=GROUP, limit=2, nextToken=page["nextToken"])
        assert ["ahead", "c"] == messages(rest)

    @pytest.mark.parametrize("change", [{"startTime": 1}, {"filterPattern": "x"}, {"logStreamNamePrefix": "s"}])
    def test_a_token_is_bound_to_its_parameters(
        self, aws: CloudWatch, logs: CloudWatchLogsClient, connect: Connect, change: dict[str, Any]
    ) -> None:
        """And to account, region and group; limit alone may change."""
        aws.put(REGION, GROUP, "s", numbered(4))
        aws.put("eu-west-1", GROUP, "s", numbered(4))
        token = logs.filter_log_events(logGroupName=GROUP, limit=1)["nextToken"]
        refused = ("InvalidParameterException", "The specified nextToken is invalid.", 400)
        elsewhere = connect(region="eu-west-1")

        assert refused == error_of(lambda: logs.filter_log_events(logGroupName=GROUP, nextToken=token, **change))
        assert refused == error_of(lambda: elsewhere.filter_log_events(logGroupName=GROUP, nextToken=token))
        assert ["1", "2"] == messages(logs.filter_log_events(logGroupName=GROUP, nextToken=token, limit=2))

    def test_a_token_lives_for_a_day(self, aws: CloudWatch, logs: CloudWatchLogsClient, clock: ManualClock) -> None:
        """Or as long as the test wants."""
        aws.put(REGION, GROUP, "s", numbered(4))
        token = logs.filter_log_events(logGroupName=GROUP, limit=1)["nextToken"]

        def read() -> list[str]:
            return messages(logs.filter_log_events(logGroupName=GROUP, nextToken=token))

        clock.now_ms += 24 * HOUR_MS - 1
        assert ["1", "2", "3"] == read()
        clock.now_ms += 1
        assert "InvalidParameterException" == error_of(read)[0]
        aws.paging.token_life_ms = 25 * HOUR_MS
        assert ["1", "2", "3"] == read()

    def test_pages_may_be_empty_or_short_and_go_on(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Every n-th is, in turn; and the first ones, when wanted. Nothing is lost by it."""
        aws.put(REGION, GROUP, "s", numbered(9))
        aws.paging.leading_empty_pages = 1
        aws.paging.empty_pages = 3

        assert [[], ["0", "1", "2"], [], ["3", "4", "5"], ["6", "7", "8"]] == drain(logs, limit=3)
        aws.paging.empty_pages = 2
        aws.paging.leading_empty_pages = 0
        assert [["0", "1", "2"], [], ["3", "4", "5"], ["6"], ["7", "8"]] == drain(logs, limit=3)

    def test_pages_may_overlap(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """A page begins with the last events of the one before."""
        aws.put(REGION, GROUP, "s", numbered(7))
        aws.paging.overlap = 2

        assert [["0", "1", "2"], ["1", "2", "3"], ["2", "3", "4"]] == drain(logs, limit=3)[:3]
        assert [["0", "1", "2", "3"], ["2", "3", "4", "5"], ["4", "5", "6"]] == drain(logs, limit=4)

    def test_a_token_may_come_back(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """With an empty page, as often as wanted; then reading goes on."""
        aws.put(REGION, GROUP, "s", numbered(3))
        aws.group_paging[GROUP] = type(aws.paging)(repeat_token=1)
        first = logs.filter_log_events(logGroupName=GROUP, limit=2)
        again = logs.filter_log_events(logGroupName=GROUP, limit=2, nextToken=first["nextToken"])
        last = logs.filter_log_events(logGroupName=GROUP, limit=2, nextToken=again["nextToken"])

        assert ([], first["nextToken"]) == (again["events"], again["nextToken"])
        assert ["2"] == messages(last)

    def test_the_last_page_may_have_a_token(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """An empty one follows."""
        aws.put(REGION, GROUP, "s", numbered(3))
        aws.paging.trailing_token = True

        assert [["0", "1", "2"], []] == drain(logs)


class TestStreams:
    """GetLogEvents and what else is about one stream."""

    def test_a_plain_loop_reads_a_stream_to_its_end(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """The end is the token that was sent; events have neither id nor stream."""
        aws.put(REGION, GROUP, "s", numbered(5))
        aws.put(REGION, GROUP, "other", numbered(5))
        read: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = logs.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True, limit=2, **more)
            read += messages(page)
            assert all({"timestamp", "message", "ingestionTime"} == set(event) for event in page["events"])
            if page["nextForwardToken"] == more.get("nextToken"):
                break
            more["nextToken"] = page["nextForwardToken"]

        assert ["0", "1", "2", "3", "4"] == read
        aws.put(REGION, GROUP, "s", [(NOW_MS + 4, "same time, late"), (NOW_MS + 5, "new")])
        page = logs.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True, **more)
        assert ["new"] == messages(page)

    def test_the_tail_comes_first_by_default(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """And the backward token leads to what was before."""
        aws.put(REGION, GROUP, "s", numbered(5))
        tail = logs.get_log_events(logGroupName=GROUP, logStreamName="s", limit=2)
        before = logs.get_log_events(
            logGroupName=GROUP, logStreamName="s", limit=2, nextToken=tail["nextBackwardToken"]
        )

        assert (["3", "4"], ["1", "2"]) == (messages(tail), messages(before))

    def test_events_can_be_put_and_streams_deleted(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Through the API, with the limits of a batch."""
        aws.create_stream(REGION, GROUP, "s")
        place: Any = {"logGroupName": GROUP, "logStreamName": "s"}
        logs.put_log_events(logEvents=[{"timestamp": NOW_MS, "message": "put"}], **place)
        disorder: Any = [{"timestamp": NOW_MS + 1, "message": "b"}, {"timestamp": NOW_MS, "message": "a"}]

        assert ["put"] == messages(logs.filter_log_events(logGroupName=GROUP))
        assert "InvalidParameterException" == error_of(lambda: logs.put_log_events(logEvents=disorder, **place))[0]
        logs.delete_log_stream(**place)
        assert [] == messages(logs.filter_log_events(logGroupName=GROUP))


class TestFaults:
    """What goes wrong, when the test says so."""

    def test_an_error_comes_as_often_as_wanted(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """With the text and status that AWS gives it."""
        aws.create_group(REGION, GROUP)
        fault = aws.fail("FilterLogEvents", "ServiceUnavailableException", times=2)

        def read() -> Any:
            return logs.filter_log_events(logGroupName=GROUP)

        expected = ("ServiceUnavailableException", "The service cannot complete the request.", 503)
        assert [expected, expected] == [error_of(read), error_of(read)]
        assert [] == read()["events"]
        assert 2 == fault.hits

    def test_an_error_may_be_that_of_one_group_region_or_key(self, aws: CloudWatch, connect: Connect) -> None:
        """The others go on."""
        for region in (REGION, "eu-west-1"):
            aws.put(region, GROUP, "s", [(NOW_MS, "here")])
        fault = aws.fail("FilterLogEvents", "AccessDeniedException", group=GROUP, region=REGION, access_key="AKIABAD")

        def read(**place: str) -> Any:
            return connect(**place).filter_log_events(logGroupName=GROUP)

        assert ["here"] == messages(read(key="AKIAGOOD"))
        assert ["here"] == messages(read(key="AKIABAD", region="eu-west-1"))
        code, text, _ = error_of(lambda: read(key="AKIABAD"))
        assert "AccessDeniedException" == code
        assert f"logs:FilterLogEvents on resource: arn:aws:logs:{REGION}:123456789012:log-group:{GROUP}:" in text
        fault.cancel()
        assert ["here"] == messages(read(key="AKIABAD"))

    def test_calls_are_throttled_by_account_region_and_operation(self, aws: CloudWatch, connect: Connect) -> None:
        """A bucket each, refilled as time goes by."""
        aws.create_group(REGION, GROUP)
        aws.create_group("eu-west-1", GROUP)
        aws.throttle("FilterLogEvents", 5, burst=2)
        here, there = connect(), connect(region="eu-west-1")

        def read(logs: CloudWatchLogsClient = here) -> Any:
            return logs.filter_log_events(logGroupName=GROUP)

        read()
        read()
        assert ("ThrottlingException", "Rate exceeded", 400) == error_of(lambda: [read() for _ in range(5)])
        read(there)
        here.describe_log_groups()
        time.sleep(0.4)
        read()
        aws.throttle("FilterLogEvents", None)
        assert 5 == len([read() for _ in range(5)])

    def test_a_connection_may_break_before_the_answer(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """And the next call works."""
        aws.put(REGION, GROUP, "s", [(NOW_MS, "there")])
        aws.disconnect("FilterLogEvents")
        with pytest.raises(ConnectionClosedError):
            logs.filter_log_events(logGroupName=GROUP)

        assert ["there"] == messages(logs.filter_log_events(logGroupName=GROUP))

    def test_a_body_that_ends_half_way_looks_like_a_success_to_botocore(
        self, aws: CloudWatch, logs: CloudWatchLogsClient
    ) -> None:
        """Whether the connection broke or the JSON is wrong: status 200, neither events nor token.

        botocore checks neither the length nor the JSON of an answer. Who takes a missing `events` for an empty page
        loses the rest of the group here.
        """
        aws.put(REGION, GROUP, "s", [(NOW_MS, "x" * 5000)])
        aws.disconnect("FilterLogEvents", mid_body=True)
        broken = logs.filter_log_events(logGroupName=GROUP)
        aws.garble("FilterLogEvents")
        garbled = logs.filter_log_events(logGroupName=GROUP)

        for page in (broken, garbled):
            assert {"ResponseMetadata"} == set(page)
            assert 200 == page["ResponseMetadata"]["HTTPStatusCode"]
        assert 1 == len(logs.filter_log_events(logGroupName=GROUP)["events"])
        assert ["cut_body", "garble", "ok"] == [call.outcome for call in aws.calls]

    def test_an_answer_may_be_late(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """But it is right."""
        aws.put(REGION, GROUP, "s", [(NOW_MS, "late")])
        aws.delay("FilterLogEvents", 0.2, times=1)
        began = time.monotonic()

        assert ["late"] == messages(logs.filter_log_events(logGroupName=GROUP))
        assert time.monotonic() - began >= 0.2

    def test_open_connections_can_be_cut(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """As a load balancer does with idle ones; a new one is made."""
        logs.describe_log_groups()
        aws.cut_connections()
        time.sleep(0.05)

        assert [] == logs.describe_log_groups()["logGroups"]


class TestCredentials:
    """Keys, roles and their end."""

    ROLE = "arn:aws:iam::333333333333:role/path/reader"

    def test_a_role_gives_new_keys_for_its_own_account(
        self, aws: CloudWatch, connect: Connect, connect_sts: ConnectSts
    ) -> None:
        """Each time others, that work until their end and no longer."""
        aws.add_role(self.ROLE)
        aws.put(REGION, GROUP, "s", [(NOW_MS, "theirs")], account="333333333333")
        sts = connect_sts()
        first, second = (sts.assume_role(RoleArn=self.ROLE, RoleSessionName="me") for _ in range(2))
        keys = first["Credentials"]
        logs = connect(key=keys["AccessKeyId"], token=keys["SessionToken"])

        assert keys["AccessKeyId"] != second["Credentials"]["AccessKeyId"]
        assert "arn:aws:sts::333333333333:assumed-role/reader/me" == first["AssumedRoleUser"]["Arn"]
        assert ["theirs"] == messages(logs.filter_log_events(logGroupName=GROUP))
        aws.expire_sessions()
        assert "ExpiredTokenException" == error_of(lambda: logs.filter_log_events(logGroupName=GROUP))[0]

    def test_a_session_ends_by_the_clock(
        self, aws: CloudWatch, connect: Connect, connect_sts: ConnectSts, clock: ManualClock
    ) -> None:
        """After the time asked for, or the one that the test chose."""
        role = aws.add_role(self.ROLE, session_ms=5000)
        keys = connect_sts().assume_role(RoleArn=self.ROLE, RoleSessionName="me")["Credentials"]
        logs = connect(key=keys["AccessKeyId"], token=keys["SessionToken"])
        role.session_ms = None
        asked = connect_sts().assume_role(RoleArn=self.ROLE, RoleSessionName="me", DurationSeconds=900)["Credentials"]

        assert (5.0, 900.0) == tuple(c["Expiration"].timestamp() - NOW_MS / 1000 for c in (keys, asked))
        logs.describe_log_groups()
        clock.now_ms += 5000
        expected = ("ExpiredTokenException", "The security token included in the request is expired", 400)
        assert expected == error_of(logs.describe_log_groups)

    def test_a_role_may_demand_an_external_id(self, aws: CloudWatch, connect_sts: ConnectSts) -> None:
        """Without the right one it is not given, nor is one that is not there; every try is on record."""
        aws.add_role(self.ROLE, external_id="secret handshake")
        sts = connect_sts()

        def assume(**more: Any) -> Any:
            return sts.assume_role(RoleArn=self.ROLE, RoleSessionName="me", **more)

        assert ("AccessDenied", 403) == error_of(assume)[::2]
        assert ("AccessDenied", 403) == error_of(lambda: assume(ExternalId="wrong"))[::2]
        assert assume(ExternalId="secret handshake")["Credentials"]
        assert [None, "wrong", "secret handshake"] == [call.parameters.get("ExternalId") for call in aws.calls]
        assert ["AccessDenied", "AccessDenied", "ok"] == [call.outcome for call in aws.calls]

    def test_a_token_of_another_gives_a_role_without_a_key(self, aws: CloudWatch, clients: Callable[..., Any]) -> None:
        """AssumeRoleWithWebIdentity: nobody signs it, and a role must trust the token."""
        arn = "arn:aws:iam::222222222222:role/pod"
        aws.add_role(arn, web_identity_token="right")
        sts = boto3.client(
            "sts", REGION, endpoint_url=aws.endpoint_url, config=ONE_TRY.merge(Config(signature_version=UNSIGNED))
        )

        def assume(token: str) -> Any:
            return sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="pod", WebIdentityToken=token)

        keys = assume("right")["Credentials"]
        caller = clients("sts", key=keys["AccessKeyId"], token=keys["SessionToken"]).get_caller_identity()
        assert "222222222222" == caller["Account"]
        assert "AccessDenied" == error_of(lambda: assume("wrong"))[0]

    def test_a_session_is_refused_without_its_token(
        self, aws: CloudWatch, connect: Connect, connect_sts: ConnectSts
    ) -> None:
        """Its key alone is worth nothing."""
        aws.add_role(self.ROLE)
        keys = connect_sts().assume_role(RoleArn=self.ROLE, RoleSessionName="me")["Credentials"]

        assert "UnrecognizedClientException" == error_of(connect(key=keys["AccessKeyId"]).describe_log_groups)[0]

    def test_strict_keys_refuses_strangers(self, clients: Callable[..., Any]) -> None:
        """Logs and STS have each a word of their own for it."""
        with CloudWatch(strict_keys=True) as strict:
            strict.add_key("AKIAKNOWN", account="1")
            known, stranger = ({"url": strict.endpoint_url, "key": key} for key in ("AKIAKNOWN", "AKIASTRANGE"))

            assert "1" == clients("sts", **known).get_caller_identity()["Account"]
            assert [] == clients("logs", **known).describe_log_groups()["logGroups"]
            assert "InvalidClientTokenId" == error_of(clients("sts", **stranger).get_caller_identity)[0]
            assert "UnrecognizedClientException" == error_of(clients("logs", **stranger).describe_log_groups)[0]


class TestCalls:
    """What tests can ask afterwards."""

    def test_calls_are_counted_with_what_became_of_them(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """By operation, group, region, account and outcome; each with its parameters."""
        aws.create_group(REGION, GROUP)
        logs.filter_log_events(logGroupName=GROUP, startTime=7)
        error_of(lambda: logs.filter_log_events(logGroupName="gone"))

        assert 2 == aws.call_count("FilterLogEvents")
        assert 1 == aws.call_count("FilterLogEvents", group=GROUP, region=REGION, account="123456789012")
        assert 1 == aws.call_count("FilterLogEvents", outcome="ResourceNotFoundException")
        assert [7, None] == [call.parameters.get("startTime") for call in aws.calls]

    def test_a_parameter_that_is_not_known_is_refused(self, logs: CloudWatchLogsClient) -> None:
        """Rather than ignored: a test would pass for the wrong reason."""
        code, text, _ = error_of(
            lambda: logs.put_log_events(
                logGroupName="a", logStreamName="b", logEvents=[{"timestamp": 1, "message": "x"}], entity={}
            )
        )

        assert "ValidationException" == code
        assert "entity" in text


class TestVirtualGroups:
    """Groups of any size."""

    def test_every_event_is_there_once_and_in_order(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Also in many pages that may be empty, short or overlapping; positions lead on from the middle."""
        start_ms = NOW_MS - HOUR_MS
        aws.virtual_group(
            REGION, GROUP, streams=7, events_per_stream=500, start_ms=start_ms, span_ms=2000, message_factory=str
        )
        expected = [str(number) for number in range(3500)]

        assert expected == flat(drain(logs))
        assert expected == flat(drain(logs, limit=333))
        aws.paging.overlap = 1
        aws.paging.empty_pages = 2
        overlapping = flat(drain(logs, limit=999))
        assert expected == list(dict.fromkeys(overlapping))
        assert len(overlapping) > len(expected)

    def test_time_and_streams_choose(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """The quick way and the one event by event agree, down to the bytes."""
        aws.virtual_group(REGION, GROUP, streams=4, events_per_stream=300, start_ms=NOW_MS - 999, span_ms=777)

        def read(**choice: Any) -> Any:
            return logs.filter_log_events(logGroupName=GROUP, startTime=NOW_MS - 900, endTime=NOW_MS - 500, **choice)

        everything = read()["events"]
        assert everything == read(logStreamNamePrefix="stream-")["events"]
        assert everything[::-1] == read(startFromHead=False)["events"]
        assert {NOW_MS - 900, NOW_MS - 500} == {everything[0]["timestamp"], everything[-1]["timestamp"]}
        own = [event for event in everything if event["logStreamName"] == "stream-0000002"]
        assert own == read(logStreamNames=["stream-0000002"])["events"]
        assert {200} == {len(event["message"]) for event in everything}
        assert len(everything) == len({event["eventId"] for event in everything})
        assert all(int(event["eventId"]) >> 144 == event["timestamp"] for event in everything)

    def test_events_appear_as_time_goes_by(
        self, aws: CloudWatch, logs: CloudWatchLogsClient, clock: ManualClock
    ) -> None:
        """Each after the ingestion delay."""
        aws.virtual_group(
            *(REGION, GROUP),
            streams=1,
            events_per_stream=10,
            start_ms=NOW_MS,
            span_ms=10_000,
            message_factory=str,
            ingestion_delay_ms=1500,
        )
        seen = []
        for _ in range(3):
            seen.append(len(drain(logs)[0]))
            clock.now_ms += 2000

        assert [0, 1, 3] == seen

    def test_pages_are_bounded_by_bytes(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Over the blocks that they are cut from, in whatever script; and what UTF-8 cannot hold is escaped."""
        texts = ["é" * 5000, "x" * 3000, "half \udc00", "y"]
        aws.virtual_group(
            *(REGION, GROUP),
            streams=1,
            events_per_stream=2500,
            start_ms=NOW_MS - HOUR_MS,
            span_ms=1,
            message_factory=lambda number: texts[number % 4],
        )
        pages = drain(logs)
        sizes = [sum(len(text.encode("utf-8", "surrogatepass")) + 26 for text in page) for page in pages]

        assert [texts[number % 4] for number in range(2500)] == flat(pages)
        assert all(1_048_576 - 10_026 < size <= 1_048_576 for size in sizes[:-1])

    def test_streams_are_listed_and_read(self, aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
        """Like those of any group."""
        aws.virtual_group(
            REGION, GROUP, streams=60, events_per_stream=3, start_ms=NOW_MS - 180, span_ms=180, message_factory=str
        )
        streams = [
            stream["logStreamName"]
            for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
            for stream in page["logStreams"]
        ]

        assert 60 == len(streams)
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=streams[5], startFromHead=True)
        assert ["5", "65", "125"] == messages(page)
        end = logs.get_log_events(logGroupName=GROUP, logStreamName=streams[5], nextToken=page["nextForwardToken"])
        assert ([], page["nextForwardToken"]) == (end["events"], end["nextForwardToken"])


def test_many_threads_may_write_and_read(aws: CloudWatch, logs: CloudWatchLogsClient) -> None:
    """Every reader sees each event at most once, and in the end all are there."""

    def write(number: int) -> int:
        for event in range(100):
            aws.put(REGION, GROUP, f"s{number}", [(NOW_MS + event, f"{number}/{event}")])
        read = flat(drain(logs, limit=50))
        assert len(read) == len(set(read))
        return len([message for message in read if message.startswith(f"{number}/")])

    aws.create_group(REGION, GROUP)
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(write, range(4)))
    everything = flat(drain(logs))

    assert [100] * 4 == seen
    assert 400 == len(everything) == len(set(everything))


def test_a_bug_of_the_stand_in_is_not_hidden(clients: Callable[..., Any]) -> None:
    """Whoever stops it hears of it."""
    broken = CloudWatch(now_ms=lambda: NOW_MS)
    broken.start()
    broken.virtual_group(
        *(REGION, GROUP),
        streams=1,
        events_per_stream=1,
        start_ms=NOW_MS - HOUR_MS,
        span_ms=1,
        message_factory=lambda number: str(number // 0),
    )
    logs = clients("logs", url=broken.endpoint_url)
    with pytest.raises(ConnectionClosedError):
        logs.filter_log_events(logGroupName=GROUP)

    with pytest.raises(ExceptionGroup, match="the stand-in crashed"):
        broken.stop()


def test_it_runs_as_a_process(clients: Callable[..., Any]) -> None:
    """It prints its URL, serves what its options say, and ends at SIGTERM."""
    command = [sys.executable, "-m", "tests.standins.cloudwatch", "--groups", "2", "--events", "50", "--prepare"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        logs = clients("logs", url=process.stdout.readline().strip())
        counts = [
            len(logs.filter_log_events(logGroupName=name)["events"]) for name in ("/virtual/0000", "/virtual/0001")
        ]
        process.terminate()

        assert [50, 50] == counts
        assert 0 == process.wait(10)


def error_of(call: Callable[[], object], otherwise: str = "no error") -> tuple[str, str, int]:
    """Return code, text and status of the error that a call ends with."""
    try:
        call()
    except ClientError as error:
        answer = error.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]
    return otherwise, "", 200

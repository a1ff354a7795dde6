"""What the options of a source have AWS do: which groups, which streams, which events, of which accounts."""

from collections.abc import Iterator

import pytest
import redis

from shared import books, keys
from shared.messages import GroupRef
from tests.eventually import eventually
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import (
    ACCOUNT,
    REGION,
    AtWork,
    a_source,
    batches,
    emptied,
    messages,
    read_once,
    state,
)

LINKED = "222222222222"
THIRD = "333333333333"


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.masked = {}
    aws.unknown_names_refused = False
    return aws


def say(aws: CloudWatch, group: str, *texts: str, stream: str = "s", account: str = ACCOUNT) -> None:
    """Let events arrive that happened just now."""
    aws.put(REGION, group, stream, [(aws.now_ms(), text) for text in texts], account=account)


def arn(name: str, account: str = LINKED, region: str = REGION) -> str:
    return f"arn:aws:logs:{region}:{account}:log-group:{name}"


def reads(aws: CloudWatch) -> list[str]:
    """Return by what each FilterLogEvents call named its group."""
    calls = [call for call in aws.calls if call.operation == "FilterLogEvents"]
    assert all(("logGroupName" in call.parameters) != ("logGroupIdentifier" in call.parameters) for call in calls)
    return [call.parameters.get("logGroupName") or call.parameters["logGroupIdentifier"] for call in calls]


class TestLinkedAccounts:
    """A monitoring account reads what others show it."""

    def test_groups_are_read_by_arn_and_known_by_their_own_account(self, aws: CloudWatch, client: redis.Redis) -> None:
        """A name would be looked for in the monitoring account; state and events bear the account they are of."""
        aws.link(ACCOUNT, LINKED)
        say(aws, "/app/a", "theirs", account=LINKED)
        say(aws, "/app/a", "mine")
        say(aws, "/app/b", "not asked for", account=LINKED)

        assert {} == read_once(client, a_source(aws, arn("/app/a")))
        assert ["theirs"] == messages(client)
        assert [arn("/app/a")] == reads(aws)
        assert GroupRef(account_id=LINKED, region=REGION, log_group="/app/a") == batches(client)[0].group

    def test_names_and_arns_with_globs_stand_side_by_side(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Equal names of three accounts in one source are three groups, with a checkpoint and books each."""
        for account in (LINKED, THIRD):
            aws.link(ACCOUNT, account)
        for account in (ACCOUNT, LINKED, THIRD):
            say(aws, "/app/x", f"of {account}", account=account)
            say(aws, "/other", "no", account=account)
        faults = read_once(client, a_source(aws, "/app/*", arn("/app/*"), arn("/app/*", THIRD)))

        assert {} == faults
        assert [f"of {account}" for account in (ACCOUNT, LINKED, THIRD)] == messages(client)
        assert ["/app/x", arn("/app/x"), arn("/app/x", THIRD)] == sorted(reads(aws))
        assert [1, 1, 1] == [account.fetched for _, account in books.read(client).values()]
        listings = [call.parameters for call in aws.calls if call.operation == "DescribeLogGroups"]
        assert [None, [LINKED, THIRD]] == [listing.get("accountIdentifiers") for listing in listings]

    def test_a_star_for_the_account_is_everyone_that_is_linked(self, aws: CloudWatch, client: redis.Redis) -> None:
        """The whole organisation in one line, also what is linked later."""
        say(aws, "/app", "mine")
        say(aws, "/app", "first", account=LINKED)
        say(aws, "/app", "second", account=THIRD)
        aws.link(ACCOUNT, LINKED)
        with AtWork(client, a_source(aws, arn("/app", "*", "*"))):
            eventually(lambda: ["first", "mine"] == messages(client))
            aws.link(ACCOUNT, THIRD)
            eventually(lambda: ["first", "mine", "second"] == messages(client))

    def test_an_account_that_is_not_linked_is_a_missing_group(self, aws: CloudWatch, client: redis.Redis) -> None:
        """The other accounts are read; the line names the ARN."""
        aws.link(ACCOUNT, LINKED)
        say(aws, "/app", "theirs", account=LINKED)
        say(aws, "/app", "not shown", account=THIRD)
        faults = read_once(client, a_source(aws, arn("/app"), arn("/app", THIRD)))

        assert [f"group {arn('/app', THIRD)}, source s"] == list(faults)
        assert ["theirs"] == messages(client)

    def test_where_listing_is_denied_an_arn_is_read_without_asking_sts(
        self, aws: CloudWatch, client: redis.Redis
    ) -> None:
        """It says its account itself."""
        aws.link(ACCOUNT, LINKED)
        say(aws, "/app", "theirs", account=LINKED)
        aws.fail("DescribeLogGroups", "AccessDeniedException")

        assert {} == read_once(client, a_source(aws, arn("/app")))
        assert ["theirs"] == messages(client)
        assert 0 == aws.call_count("GetCallerIdentity")

    def test_faults_tell_linked_groups_of_one_name_apart(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Each with the ARN that a policy has to name."""
        for account in (LINKED, THIRD):
            aws.link(ACCOUNT, account)
            say(aws, "/app", account, account=account)
        aws.fail("FilterLogEvents", "AccessDeniedException")
        faults = read_once(client, a_source(aws, arn("/app"), arn("/app", THIRD)))

        assert {f"group /app of account {account}, source s, region {REGION}" for account in (LINKED, THIRD)} == set(
            faults
        )
        for what, why in faults.items():
            account = LINKED if LINKED in what else THIRD
            assert f"allow logs:FilterLogEvents on {arn('/app', account)}:* in the IAM policy" in why

    def test_a_linked_group_that_goes_is_let_go_alone(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Its namesake stays; its state is kept, so that nothing is read twice when it comes back."""
        for account in (LINKED, THIRD):
            aws.link(ACCOUNT, account)
            say(aws, "/app", account, account=account)
        gone = GroupRef(account_id=LINKED, region=REGION, log_group="/app")
        with AtWork(client, a_source(aws, arn("/app", "*"))) as work:
            eventually(lambda: 2 == len(messages(client)))
            kept = aws.groups.get(LINKED, REGION, "/app")
            aws.remove_group(REGION, "/app", account=LINKED)
            eventually(lambda: 1 == len(work.fetching.owners))
            assert client.exists(keys.checkpoint(keys.group_key(gone)))
            aws.groups.add(kept)
            eventually(lambda: 2 == len(work.fetching.owners))
            say(aws, "/app", "again", account=LINKED)
            eventually(lambda: "again" in messages(client))
        assert [LINKED, THIRD, "again"] == messages(client)


class TestDiscovery:
    """Which groups, in how few calls."""

    def test_what_is_left_out_may_be_read_by_a_later_source(self, aws: CloudWatch, client: redis.Redis) -> None:
        """By name and by pattern; the first source does not keep it from the second either."""
        for group in ("/app/a", "/app/b", "/app/c/debug"):
            say(aws, group, group)
        first = a_source(aws, "/app/*", name="first", exclude_log_groups=("/app/b", "*/debug"))
        second = a_source(aws, "/app/b", name="second")

        assert {} == read_once(client, first, second)
        assert {"/app/a": "first", "/app/b": "second"} == {b.group.log_group: b.source for b in batches(client)}

    def test_many_names_are_one_call(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Those that are missing are named all the same."""
        for number in range(30):
            say(aws, f"/app/{number}", str(number))
        faults = read_once(client, a_source(aws, *(f"/app/{number}" for number in range(31))))

        assert ["group /app/30, source s"] == list(faults)
        assert [1, 30] == [aws.call_count("DescribeLogGroups"), len(messages(client))]

    def test_names_are_asked_for_one_by_one_where_aws_refuses_the_list(
        self, aws: CloudWatch, client: redis.Redis
    ) -> None:
        """What it does about one that does not exist is not documented."""
        aws.unknown_names_refused = True
        say(aws, "/a", "a")
        say(aws, "/b", "b")

        assert ["group /gone, source s"] == list(read_once(client, a_source(aws, "/a", "/gone", "/b")))
        assert ["a", "b"] == messages(client)

    def test_a_part_of_the_name_is_looked_for_by_aws_and_the_class_still_known(
        self, aws: CloudWatch, client: redis.Redis
    ) -> None:
        """Of a thousand groups three are listed: one call for the part, one for what AWS leaves out of its answer."""
        for number in range(200):
            aws.create_group(REGION, f"/apps/{number}")
        say(aws, "/apps/1/orders/api", "orders")
        say(aws, "/apps/2/orders/web", "not this")
        aws.create_group(REGION, "/apps/3/orders/api", log_class="INFREQUENT_ACCESS")
        faults = read_once(client, a_source(aws, "/*/orders/api"))

        assert ["group /apps/3/orders/api, source s, region eu-west-1"] == list(faults)
        assert ["orders"] == messages(client)
        assert 2 == aws.call_count("DescribeLogGroups")
        parts = [
            call.parameters.get("logGroupNamePattern") for call in aws.calls if call.operation == "DescribeLogGroups"
        ]
        assert ["/orders/api", None] == parts

    def test_two_accounts_of_one_name_never_mix(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Each has its own place to go on from: with one for both, what the second has would count as read."""
        role = f"arn:aws:iam::{LINKED}:role/logs"
        aws.add_role(role)
        sources = (a_source(aws, "/app", name="mine"), a_source(aws, "/app", name="theirs", role_arn=role))
        say(aws, "/app", "mine 1")
        assert {} == read_once(client, *sources[:1])
        say(aws, "/app", "mine 2")
        say(aws, "/app", "theirs 1", account=LINKED)

        assert {} == read_once(client, *sources)
        assert ["mine 1", "mine 2", "theirs 1"] == messages(client)
        assert {(ACCOUNT, "mine"), (LINKED, "theirs")} == {(b.group.account_id, b.source) for b in batches(client)}


class TestReading:
    """What goes with every read."""

    def test_only_streams_of_the_prefix_are_read(self, aws: CloudWatch, client: redis.Redis) -> None:
        """AWS does the choosing: nothing else is even fetched."""
        for stream in ("web-1", "web-2", "db"):
            say(aws, "/app", stream, stream=stream)

        assert {} == read_once(client, a_source(aws, "/app", log_stream_prefix="web-"))
        assert ["web-1", "web-2"] == messages(client)
        assert 2 == sum(account.fetched for _, account in books.read(client).values())

    def test_only_events_that_match_the_filter_are_read(self, aws: CloudWatch, client: redis.Redis) -> None:
        """Page after page, with the token of the call that had the filter."""
        aws.paging.page_events = 2
        say(aws, "/app", *(f"{number} {'ERROR' if number % 3 else 'ok'}" for number in range(9)))

        assert {} == read_once(client, a_source(aws, "/app", filter_pattern="ERROR"))
        assert [f"{number} ERROR" for number in range(9) if number % 3] == messages(client)

    @pytest.mark.parametrize(("unmask", "text"), [(True, "card 4111"), (False, "card ****")])
    def test_masked_data_is_read_in_clear_where_that_is_wanted(
        self, aws: CloudWatch, client: redis.Redis, unmask: bool, text: str
    ) -> None:
        """And only there."""
        aws.masked["/app"] = "4111"
        say(aws, "/app", "card 4111")

        assert {} == read_once(client, a_source(aws, "/app", unmask=unmask))
        assert [text] == messages(client)

    def test_who_may_not_unmask_is_told_so(self, aws: CloudWatch, client: redis.Redis) -> None:
        """AWS refuses the whole read: the permission that is missing is another than the one to read."""
        say(aws, "/app", "card 4111")
        who, where = f"arn:aws:iam::{ACCOUNT}:user/u", arn("/app", ACCOUNT)
        denial = f"User: {who} is not authorized to perform: logs:Unmask on resource: {where}"
        aws.fail("FilterLogEvents", "AccessDeniedException", denial, having={"unmask": True})
        (why,) = read_once(client, a_source(aws, "/app", unmask=True)).values()

        assert why.endswith(
            f"allow logs:Unmask on {arn('/app', ACCOUNT)}:* in the IAM policy of these credentials, or set unmask = false"
        )

    def test_a_filter_that_aws_refuses_is_one_fault_of_the_source(self, aws: CloudWatch, client: redis.Redis) -> None:
        """However many groups it is for; status says it of each of them."""
        for number in range(5):
            say(aws, f"/app/{number}", "x")
        source = a_source(aws, "/app/*", filter_pattern='half "a term')
        faults = read_once(client, source)

        assert ["filter_pattern of source s"] == list(faults)
        assert faults["filter_pattern of source s"].endswith(
            "Invalid filter pattern: correct filter_pattern of source s"
        )
        assert "correct filter_pattern" in state(client, "/app/3").fault

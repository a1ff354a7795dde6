"""What `check` tries, and how it says what it found."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from msgspec import structs

from services.normalizer.explain_sample import hints
from services.operator import check as check_module
from services.operator.check import check
from services.supervisor.embedded import EmbeddedServer
from shared.errors import CwpipeError, Incomplete, Unreachable
from shared.settings.load import Loaded
from shared.settings.model import Settings, Source, Wazuh
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.standins.agent import Agent
from tests.standins.analysisd import Analysisd
from tests.standins.cloudwatch import CloudWatch


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with CloudWatch() as aws:
        yield aws


def source(aws: CloudWatch, *log_groups: str, regions: tuple[str, ...] = ("us-east-1",)) -> Source:
    return Source(name="production", regions=regions, log_groups=log_groups, endpoint_url=aws.endpoint_url)


def findings(
    receiver: Receiver, source: Source, data_dir: Path, *, redis_url: str = "", wazuh: Wazuh | None = None
) -> tuple[list[str], CwpipeError | None]:
    """Return the lines after the first one, which names the settings, and the error at the end."""
    wazuh = wazuh or Wazuh(queue_socket=str(receiver.path), stats_socket="")
    settings = Settings(redis_url=redis_url, wazuh=wazuh, sources=(source,))
    said: list[str] = []
    try:
        check(Loaded(settings, {}, None), data_dir, said.append)
    except CwpipeError as error:
        return said[1:], error
    return said[1:], None


def failed(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("FAIL")]


def test_all_is_well_where_every_line_is_ok(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """A line for each need; a directory that is yet to be made is no fault, and is not made."""
    aws.create_group("us-east-1", "/app/a")
    said, error = findings(receiver, source(aws, "/app/*"), tmp_path / "data")
    where = "source production, region us-east-1"
    assert [
        f"ok    embedded server, data in {tmp_path}/data",
        f"ok    receiver at {receiver.path}, events confirmed when read, for wazuh.stats_socket is empty: what analysisd "
        "drops or loses afterwards is not noticed, so keep wazuh.max_events_per_second below what it can take",
        f"ok    {where}: 1 log groups of account 123456789012",
        f"ok    group /app/a, {where} can be read",
    ] == said
    assert error is None
    assert not (tmp_path / "data").exists()


def test_the_level_that_the_receiver_allows_is_said(aws: CloudWatch, tmp_path: Path) -> None:
    """Whoever reads it knows what is proved of each event, and what is not."""
    aws.create_group("us-east-1", "/app/a")

    def receivers_line(**wazuh: str) -> str:
        settings = Wazuh(queue_socket=str(tmp_path / "queue"), **wazuh)  # type: ignore[arg-type]
        said, _ = findings(receiver, source(aws, "/app/*"), tmp_path / "data", wazuh=settings)
        return said[1]

    receiver = Receiver(tmp_path / "unused")
    with Analysisd(tmp_path) as analysisd:
        stats = str(analysisd.stats_path)
        processed = receivers_line(stats_socket=stats)
        missing = receivers_line(stats_socket=f"{stats}-elsewhere")
        sent = receivers_line(stats_socket=stats, confirm="sent")
        wrong = receivers_line(stats_socket=str(analysisd.path))
        analysisd.stats_socket("refused")
        refused = receivers_line(stats_socket=stats)

    assert processed.endswith(f"events confirmed when processed, by its statistics at {stats}")
    assert f"confirmed when read, for no stats socket at {stats}-elsewhere" in missing
    assert "confirmed when sent: what analysisd drops or loses afterwards is not noticed" in sent
    assert f"FAIL  receiver's statistics: {analysisd.path} is no stream socket: correct wazuh.stats_socket" == wrong
    assert refused.startswith(f"FAIL  receiver's statistics: nobody reads from {stats}")


def test_the_server_of_a_run_that_is_going_on_is_asked(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """Its directory is in use, and rightly so."""
    with EmbeddedServer(tmp_path / "data") as url:
        said, error = findings(receiver, source(aws, "/app/*"), tmp_path / "data")
    assert f"ok    Redis at {url} answers" == said[0]
    assert error is None


def test_a_directory_under_a_file_is_a_fault(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """Nothing can be made there."""
    (tmp_path / "file").touch()
    said, error = findings(receiver, source(aws, "/app/*"), tmp_path / "file" / "data")
    assert [f"FAIL  embedded server: --data-dir {tmp_path}/file/data: {tmp_path}/file is no directory"] == [
        line.rpartition(": ")[0] for line in failed(said)
    ]
    assert isinstance(error, Unreachable)


def test_an_embedded_server_that_is_not_installed_is_a_fault(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cwpipe run` would end with the same."""
    monkeypatch.setattr(check_module, "find_spec", lambda _: None)
    said, _ = findings(receiver, source(aws, "/app/*"), tmp_path)
    assert ["FAIL  embedded server: it is not installed: set redis_url or install cwpipe[embedded]"] == failed(said)


def test_a_redis_that_throws_queued_events_away_is_a_fault(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path, redis_url: str, client: redis.Redis
) -> None:
    """Under memory pressure any other policy than noeviction drops batches in silence."""
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        said, error = findings(receiver, source(aws, "/app/*"), tmp_path, redis_url=redis_url)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    expected = "maxmemory-policy is allkeys-lru, which throws away queued events: set noeviction"
    assert [f"FAIL  Redis at {redis_url}: {expected}"] == failed(said)
    assert isinstance(error, Unreachable)


def test_a_name_is_missing_only_if_no_region_of_its_source_has_it(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path
) -> None:
    """One list of names for several regions is usual."""
    aws.create_group("eu-west-1", "/app/a")
    said, error = findings(receiver, source(aws, "/app/a", "/app/b", regions=("us-east-1", "eu-west-1")), tmp_path)
    assert [
        "FAIL  group /app/b, source production: there is no log group of this name in us-east-1, eu-west-1: "
        "correct log_groups or regions"
    ] == failed(said)
    assert isinstance(error, Incomplete)


def test_a_fault_names_its_place_once(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """The edge to AWS says where it was; `check` does not say it again."""
    aws.fail("DescribeLogGroups", "UnrecognizedClientException")
    said, _ = findings(receiver, source(aws, "/app/*"), tmp_path)
    (line,) = failed(said)
    assert 1 == line.count("source production, region us-east-1")


def test_of_many_groups_some_are_tried_and_the_rest_is_owned_up_to(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call each: thousands of groups would take minutes, and a share of the quota."""
    monkeypatch.setattr(check_module, "TRIED_GROUPS", 2)
    for number in range(5):
        aws.create_group("us-east-1", f"/app/{number}")
    said, error = findings(receiver, source(aws, "/app/*"), tmp_path)
    assert "ok    source production, region us-east-1: 3 more groups were found and not tried" == said[-1]
    assert (2, None) == (aws.call_count("FilterLogEvents"), error)


def test_the_exit_code_is_that_of_what_keeps_a_run_from_starting(aws: CloudWatch, tmp_path: Path) -> None:
    """A missing receiver stops everything, a missing group only itself."""
    said, error = findings(Receiver(tmp_path / "queue"), source(aws, "/app/absent"), tmp_path)
    assert 2 == len(failed(said))
    assert error is not None
    assert 3 == error.exit_code


def test_a_window_longer_than_a_group_keeps_events_is_said_to_be_pointless(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path
) -> None:
    """It costs calls and finds nothing, but it is no fault."""
    aws.create_group("eu-west-1", "/short", retention_days=3)
    week = structs.replace(source(aws, "/short", regions=("eu-west-1",)), sweep_window=7 * 86_400_000)
    said, error = findings(receiver, week, tmp_path)
    assert error is None
    (line,) = [line for line in said if "group /short" in line]
    assert line.endswith("can be read; sweep_window 7d: more than the 3 days it keeps events for is pointless")


def receiver_line(aws: CloudWatch, receiver: Path, tmp_path: Path, **wazuh: str) -> tuple[str, CwpipeError | None]:
    """Return what is said of the receiver."""
    aws.create_group("us-east-1", "/app/a")
    settings = Wazuh(**{"queue_socket": str(receiver), "stats_socket": "", **wazuh})  # type: ignore[arg-type]
    said, error = findings(Receiver(tmp_path / "unused"), source(aws, "/app/*"), tmp_path / "data", wazuh=settings)
    return said[1], error


@pytest.mark.parametrize("confirm", ["agent", "processed"])
def test_what_can_be_promised_of_an_agent_is_said(aws: CloudWatch, tmp_path: Path, confirm: str) -> None:
    """Also of one that nobody said was an agent."""
    with Agent(tmp_path) as agent:
        line, error = receiver_line(aws, agent.path, tmp_path, confirm=confirm)

    assert line == (
        f"ok    agent at {agent.path}, events confirmed when the agent has read them: what the agent drops or loses before "
        "its manager has it, and the manager after that, is not noticed; at most 250 events a second are sent, which has to "
        "be below its events_per_second (500 by default)"
    )
    assert error is None


def test_an_agent_that_shows_nothing_of_itself_is_said_to(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """As from a container that has its socket only."""
    line, error = receiver_line(aws, receiver.path, tmp_path, confirm="agent")

    assert line.endswith("it shows no state here, so the rate is all that keeps its buffer from being full")
    assert error is None


def test_an_agent_without_a_manager_is_a_fault(aws: CloudWatch, tmp_path: Path) -> None:
    """Nothing would be delivered."""
    with Agent(tmp_path) as agent:
        agent.disconnect()
        line, error = receiver_line(aws, agent.path, tmp_path, confirm="agent")

    assert line == (
        f"FAIL  receiver: the agent at {agent.path} cannot reach its manager: nothing is sent until it is over; "
        "look into the agent's ossec.log"
    )
    assert isinstance(error, Unreachable)


def test_an_agent_that_is_busy_is_no_fault(aws: CloudWatch, tmp_path: Path) -> None:
    """It will get on, and events wait until then."""
    with Agent(tmp_path, state_seconds=0.05) as agent:
        agent.stall()
        agent.collect(900)
        eventually(lambda: "msg_buffer='9" in agent.state_path.read_text())
        line, error = receiver_line(aws, agent.path, tmp_path, confirm="agent")

    assert line.endswith(f"the agent at {agent.path} has 900 events in its buffer, which it has to send on first")
    assert error is None


def test_a_level_that_does_not_spare_an_agent_is_warned_of(aws: CloudWatch, tmp_path: Path) -> None:
    """Nothing keeps `read` and `sent` from flooding it."""
    with Agent(tmp_path) as agent:
        line, error = receiver_line(aws, agent.path, tmp_path, confirm="read")

    assert line.endswith('and an agent, as this is, drops most of a backlog: set wazuh.confirm = "agent"')
    assert error is None


def test_a_manager_that_is_taken_for_an_agent_could_prove_more(aws: CloudWatch, tmp_path: Path) -> None:
    with Analysisd(tmp_path) as manager:
        line, error = receiver_line(aws, manager.path, tmp_path, confirm="agent", stats_socket=str(manager.stats_path))

    assert line.endswith(f'stats socket at {manager.stats_path}: with wazuh.confirm = "processed" it proves more')
    assert error is None


LINKED = "222222222222"


def arn(name: str, account: str = "123456789012") -> str:
    return f"arn:aws:logs:us-east-1:{account}:log-group:{name}"


@pytest.mark.parametrize(
    ("operation", "changes", "action", "resource"),
    [
        ("FilterLogEvents", {}, "logs:FilterLogEvents", f"{arn('/app/a')}:*"),
        ("DescribeLogGroups", {}, "logs:DescribeLogGroups", arn("*")),
        ("DescribeLogStreams", {"delete_log_streams": True}, "logs:DescribeLogStreams", f"{arn('/app/a')}:*"),
        ("DeleteLogStream", {"delete_log_streams": True}, "logs:DeleteLogStream", f"{arn('/app/a')}:*"),
    ],
)
def test_a_missing_permission_is_named_with_its_resource(
    aws: CloudWatch,
    receiver: Receiver,
    tmp_path: Path,
    operation: str,
    changes: dict[str, Any],
    action: str,
    resource: str,
) -> None:
    """As a policy has to have them, and without the whole of what AWS says."""
    aws.create_group("us-east-1", "/app/a")
    aws.fail(operation, "AccessDeniedException")
    said, error = findings(receiver, structs.replace(source(aws, "/app/*"), **changes), tmp_path)
    (line,) = failed(said)

    assert f"allow {action} on {resource} in the IAM policy of these credentials" in line
    assert "is not authorized" not in line
    assert isinstance(error, CwpipeError)


def test_a_permission_that_aws_does_not_name_is_that_of_the_call(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path
) -> None:
    """A compatible server, or a policy that hides it."""
    aws.create_group("us-east-1", "/app/a")
    aws.fail("FilterLogEvents", "AccessDeniedException", "no")
    (line,) = failed(findings(receiver, source(aws, "/app/*"), tmp_path)[0])

    assert line.endswith(f"allow logs:FilterLogEvents on {arn('/app/a')}:* in the IAM policy of these credentials")


def test_a_role_that_may_not_be_assumed_is_named(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """One line for the source, not one for each group that nobody could look for."""
    role = "arn:aws:iam::222222222222:role/logs"
    broken = structs.replace(source(aws, "/app/*"), role_arn=role, sts_endpoint_url=aws.endpoint_url)
    (line,) = failed(findings(receiver, broken, tmp_path)[0])

    assert f"allow sts:AssumeRole on {role} in the IAM policy of these credentials" in line


def test_who_may_not_unmask_is_told_before_the_first_read(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """The check reads as the fetcher does."""
    aws.create_group("us-east-1", "/app/a")
    denial = f"User: u is not authorized to perform: logs:Unmask on resource: {arn('/app/a')}"
    aws.fail("FilterLogEvents", "AccessDeniedException", denial, having={"unmask": True})
    plain, _ = findings(receiver, source(aws, "/app/*"), tmp_path)
    (line,) = failed(findings(receiver, structs.replace(source(aws, "/app/*"), unmask=True), tmp_path)[0])

    assert [] == failed(plain)
    assert f"allow logs:Unmask on {arn('/app/a')}:*" in line


def test_a_filter_that_aws_refuses_is_found(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """With source and key."""
    aws.create_group("us-east-1", "/app/a")
    broken = structs.replace(source(aws, "/app/*"), filter_pattern='half "a term')
    (line,) = failed(findings(receiver, broken, tmp_path)[0])

    assert line.endswith("Invalid filter pattern: correct filter_pattern of source production")


def test_groups_of_linked_accounts_are_tried_by_arn(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """Two of one name are told apart."""
    aws.link("123456789012", LINKED)
    for account in (LINKED, "123456789012"):
        aws.create_group("us-east-1", "/app/a", account=account)
    said, error = findings(receiver, source(aws, "/app/*", arn("/app/*", LINKED)), tmp_path)

    assert error is None
    assert "ok    source production, region us-east-1: 2 log groups of account 123456789012, 222222222222" in said
    assert "ok    group /app/a of account 222222222222, source production, region us-east-1 can be read" in said


def test_what_would_be_deleted_is_counted_and_nothing_is(aws: CloudWatch, receiver: Receiver, tmp_path: Path) -> None:
    """A dry line for each group; deleting is tried on a stream that is not there."""
    now = aws.now_ms()
    for stream, days in (("a", 3), ("b", 2), ("young", 0)):
        aws.put("us-east-1", "/app/a", stream, [(now - days * 86_400_000, "x")], ingestion_ms=now - days * 86_400_000)
    said, error = findings(receiver, structs.replace(source(aws, "/app/*"), delete_log_streams=True), tmp_path)

    assert error is None
    assert said[-1].endswith("delete_log_streams: 2 streams are old enough, and go once all of each was delivered")
    assert 3 == len(aws.groups.get("123456789012", "us-east-1", "/app/a").streams(now))
    assert ["ResourceNotFoundException"] == [call.outcome for call in aws.calls if call.operation == "DeleteLogStream"]


def test_what_events_tell_about_the_settings_of_their_group_is_said(
    aws: CloudWatch, receiver: Receiver, tmp_path: Path
) -> None:
    """A finding in a group whose name does not permit it would never alert. It is a hint, and no fault."""
    finding = '{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"severity":8}}'
    now_ms = int(time.time() * 1000)
    aws.create_group("us-east-1", "/app/findings")
    aws.put("us-east-1", "/app/findings", "a", [(now_ms - 60_000, finding), (now_ms - 30_000, "a line")])
    aws.put("us-east-1", "/app/quiet", "a", [(now_ms - 30_000, "a line")])
    settings = Settings(wazuh=Wazuh(queue_socket=str(receiver.path), stats_socket=""), sources=(source(aws, "/app/*"),))
    said: list[str] = []
    check(Loaded(settings, {}, None), tmp_path, said.append, hints=hints)
    hinted = [line for line in said if "look like" in line]

    assert [True] == [
        line.startswith("ok    group /app/findings, source production, region us-east-1: 1 of 2") for line in hinted
    ]
    assert 'format = "guardduty"' in hinted[0]
    assert [] == failed(said)

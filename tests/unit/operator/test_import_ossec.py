"""What an ossec.conf becomes: option by option, and as a whole file that our own loader reads."""

import re
import sqlite3
from pathlib import Path

import pytest

from services.operator.import_ossec import command as import_ossec
from services.operator.import_ossec import state as import_ossec_state
from services.operator.import_ossec import toml as import_ossec_toml
from services.operator.import_ossec.discard import anchored
from services.operator.import_ossec.sources import Imported
from services.operator.import_ossec.state import Stopped
from services.operator.import_ossec.xml import read
from shared.errors import Incomplete, SettingsError
from shared.settings.load import load
from shared.settings.model import Settings, Source

DATA = Path(__file__).parents[2] / "data" / "ossec"
WHOLE = (
    "<wodle name='aws-s3'>{wodle}<service type='cloudwatchlogs'><aws_log_groups>/a</aws_log_groups>{service}</service>"
    "</wodle>"
)


def written(place: Path, file: Path, state: dict[tuple[str, str], Stopped] | None = None) -> tuple[str, Imported]:
    """Return the text made of `file`, and what it was made by."""
    made = Imported(file, state or {})
    text = import_ossec_toml.text(made.parts)
    (place / "cwpipe.toml").write_text(text)
    return text, made


def settings(place: Path, file: Path, state: dict[tuple[str, str], Stopped] | None = None) -> Settings:
    written(place, file, state)
    return load(place / "cwpipe.toml", {}).settings


def source(place: Path, service: str = "", wodle: str = "") -> Source:
    """Return the one source that a service becomes; it is in us-east-1 unless it says otherwise."""
    file = place / "ossec.conf"
    if "<regions>" not in service:
        service += "<regions>us-east-1</regions>"
    file.write_text(f"<ossec_config>{WHOLE.format(service=service, wodle=wodle)}</ossec_config>")
    (one,) = settings(place, file).sources
    return one


@pytest.mark.parametrize("file", sorted(DATA.glob("*.conf")), ids=lambda file: str(file.stem))
def test_every_file_becomes_settings_that_load(file: Path, tmp_path: Path) -> None:
    """And names in them are each another."""
    found = settings(tmp_path, file)

    assert len({one.name for one in found.sources}) == len(found.sources)
    assert found.sources or file.stem == "faults"


def test_every_option_has_its_place(tmp_path: Path) -> None:
    """The whole of a service with all of them."""
    first, second = settings(tmp_path, DATA / "accounts.conf").sources

    assert first == Source(
        name="prod-eu",
        regions=("eu-west-1",),
        log_groups=("/aws/lambda/auth",),
        account_id="111122223333",
        role_arn="arn:aws:iam::111122223333:role/wazuh-logs",
        role_duration=1_800_000,
        external_id="agreed",
        discard_regex=r"(?i)\A(?:debug|trace)",
        discard_field="detail.level",
        delete_log_streams=True,
        sts_endpoint_url="https://sts.eu-west-1.amazonaws.com",
        endpoint_url="https://logs.eu-west-1.amazonaws.com",
        poll_interval=5000,
    )
    assert ("prod-eu-2", "second") == (second.name, second.profile)
    assert re.search(second.discard_regex, "GET /health?a=1&b=2 <-")


@pytest.mark.parametrize(
    ("service", "wodle", "key", "value"),
    [
        ("<only_logs_after>2026-feb-03</only_logs_after>", "", "only_logs_after", "2026-02-03"),
        ("<regions>us-east-1, eu-west-1,us-east-1</regions>", "", "regions", ("us-east-1", "eu-west-1")),
        ("<aws_log_groups>/b,,/c#1</aws_log_groups>", "", "log_groups", ("/a", "/b", "/c#1")),
        ("<aws_profile>a b</aws_profile>", "", "profile", "a b"),
        ("<remove_log_streams>no</remove_log_streams>", "", "delete_log_streams", False),
        ("", "<interval>29</interval>", "poll_interval", 29_000),
        ("", "<interval>1d</interval>", "poll_interval", 30_000),
        ("<discard_regex></discard_regex>", "", "discard_regex", ""),
    ],
)
def test_an_option_becomes_a_key(service: str, wodle: str, key: str, value: object, tmp_path: Path) -> None:
    """Or stays what it is by default."""
    assert value == getattr(source(tmp_path, service, wodle), key)


@pytest.mark.parametrize(
    ("regex", "finds", "not_this"),
    [
        ("debug", "debug it", "no debug"),
        ("a|b", "b", "xb"),
        ("^x|y", "y", "zy"),
        ("(?i)No", "nO", "a no"),
        (".*z$", "abz", "za"),
    ],
)
def test_an_expression_is_matched_at_the_start_as_the_wodle_does(regex: str, finds: str, not_this: str) -> None:
    """Ours are searched for."""
    assert [True, False] == [re.search(anchored(regex), text) is not None for text in (finds, not_this)]
    assert [True, False] == [re.match(regex, text) is not None for text in (finds, not_this)]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("<run_on_start>no</run_on_start>", "cwpipe reads as soon as it runs"),
        ("<skip_on_error>yes</skip_on_error>", "skip_on_error is not needed"),
        ("<interval>1h</interval>", "interval 1h is not taken over"),
        ("<wday>monday</wday>", "wday is not taken over"),
        ("<bucket type='vpcflow'><name>x</name></bucket>", "bucket vpcflow: not CloudWatch Logs, stays with the wodle"),
        ("<service type='inspector'></service>", "service inspector: not CloudWatch Logs"),
    ],
)
def test_what_has_no_counterpart_is_a_comment_and_a_line_of_the_summary(
    option: str, words: str, tmp_path: Path
) -> None:
    """Nothing is left out in silence."""
    file = tmp_path / "ossec.conf"
    file.write_text(
        f"<ossec_config>{WHOLE.format(service='<regions>us-east-1</regions>', wodle=option)}</ossec_config>"
    )
    text, made = written(tmp_path, file)

    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
    assert words in comments
    assert any(words in line for line in made.summary())
    assert 0 == made.todos


def test_a_source_whose_role_cannot_be_taken_over_is_off(tmp_path: Path) -> None:
    """Without it, another account's groups would be read."""
    text, made = written(tmp_path, DATA / "faults.conf")

    assert () == load(tmp_path / "cwpipe.toml", {}).settings.sources
    assert made.todos == text.count("# TO DO: ")


def test_a_disabled_wodle_becomes_comments_that_load_when_the_marks_are_taken_away(tmp_path: Path) -> None:
    """Nothing starts that was off."""
    text, _ = written(tmp_path, DATA / "disabled.conf")
    assert ["/one/line"] == [
        group for one in load(tmp_path / "cwpipe.toml", {}).settings.sources for group in one.log_groups
    ]
    (tmp_path / "cwpipe.toml").write_text(re.sub("^#(?! )", "", text, flags=re.MULTILINE))

    assert ("us-gov-west-1",) == load(tmp_path / "cwpipe.toml", {}).settings.sources[0].regions


def test_a_remark_cannot_end_its_comment(tmp_path: Path) -> None:
    """What the file says is printed, not obeyed."""
    file = tmp_path / "ossec.conf"
    evil = '<only_logs_after>\n[[sources]]\nname = "x"\x1b[2J\r</only_logs_after><regions>us-east-1</regions>'
    file.write_text(f"<ossec_config>{WHOLE.format(service=evil, wodle='')}</ossec_config>")
    text, made = written(tmp_path, file)

    assert 1 == len(load(tmp_path / "cwpipe.toml", {}).settings.sources)
    assert "\x1b" not in text + "".join(made.summary())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<ossec_config><wodle>", "line 1: <wodle> of line 1 is never closed"),
        ("<a>\n</b></a>", "line 2: </b> closes nothing that is open, within <a>"),
        ("</a>", "line 1: </a> closes nothing that is open;"),
        ("<a>\n\n<!-- never", "line 3: a comment that begins here is never closed"),
        ("<a>x < y</a>", "< y</a"),
        ("<" + "a><" * 100 + "b>", "nested more than 64 deep"),
        ("", "there is no <wodle"),
        ("<ossec_config><wodle name='aws-s3'></wodle></ossec_config>", "there is no <wodle"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    """Which line, and what is wrong with it."""
    file = tmp_path / "ossec.conf"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Imported(file, {})

    assert words in str(caught.value) or words == "< y</a"
    assert 1 == len(caught.value.faults)


def test_the_file_is_read_as_wazuh_reads_it(tmp_path: Path) -> None:
    """Comments of both kinds, a `<` after a backslash, `&` as it is, elements without content, several roots."""
    file = tmp_path / "ossec.conf"
    file.write_text(
        "\ufefftext <?xml?><!-- <a> --><a x='1' y = \"2>\">k<! c !>ept \\<&amp;\\\\</a>\n<b/><c z='1'/><d\n>\n e </d>"
    )
    roots = read(file)

    assert [
        ("a", {"x": "1", "y": "2>"}, r"kept \<&amp;" + "\\\\", 1),
        ("b", {}, "", 2),
        ("c", {"z": "1"}, "", 2),
        ("d", {}, "e", 2),
    ] == [(root.name, root.attributes, root.text, root.line) for root in roots]


def database(place: Path, *rows: tuple[object, object, object, object]) -> Path:
    """Make a wodle's database of (region, group, stream, end_time)."""
    file = place / "aws_services.db"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "CREATE TABLE cloudwatch_logs (aws_region 'text', aws_log_group 'text', aws_log_stream 'text', "
            "next_token 'text', start_time 'integer', end_time 'integer')"
        )
        connection.executemany("INSERT INTO cloudwatch_logs VALUES (?, ?, ?, 'f/1', 0, ?)", rows)
    connection.close()
    return file


def test_a_group_begins_where_its_slowest_stream_stopped(tmp_path: Path) -> None:
    """A group with a stream that has no time, or rows that are no such thing, is not known."""
    file = database(
        tmp_path, ("r", "/a", "1", 500), ("r", "/a", "2", 900), ("r", "/b", "1", "None"), ("r", "/b", "2", 5),
        (b"\xff", "/c", "1", 5), ("r", "/d", "1", 10**18), ("s", "/a", "1", 7),
    )  # fmt: skip

    found = import_ossec_state.read(file)
    assert {("r", "/a"): 501, ("s", "/a"): 8} == {place: stopped.start_ms for place, stopped in found.items()}
    assert 1 == import_ossec_state.read(tmp_path, 399)["r", "/a"].ended
    assert 901 == import_ossec_state.read(tmp_path, 399)["r", "/a"].start_ms
    assert 501 == import_ossec_state.read(tmp_path, 400)["r", "/a"].start_ms


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"\xff" * 5000, b"text", None])
def test_a_database_that_is_none_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    """Whatever lies there, or nothing."""
    if content is not None:
        (tmp_path / "aws_services.db").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        import_ossec_state.read(tmp_path)

    assert 1 == len(caught.value.faults)
    assert str(caught.value).startswith(f"--state {tmp_path}")


def test_sources_with_start_times_come_before_the_one_without(tmp_path: Path) -> None:
    """The first that matches owns a group; groups of one start time are together; a later only_logs_after wins."""
    file = tmp_path / "ossec.conf"
    service = "<regions>us-east-1,eu-west-1</regions><aws_log_groups>/a,/b,/c</aws_log_groups>"
    file.write_text(f"<ossec_config>{WHOLE.format(service=service, wodle='')}</ossec_config>")
    at = Stopped(streams=1, ended=0, least_ms=1_700_000_000_000, newest_ms=1_700_000_000_000)
    state = {(region, group): at for region in ("us-east-1", "eu-west-1") for group in ("/a", "/b")}
    found = settings(tmp_path, file, state).sources

    assert [
        ("cloudwatch", ("us-east-1", "eu-west-1"), ("/a", "/b"), "2023-11-14T22:13:20.001Z"),
        ("cloudwatch-2", ("us-east-1", "eu-west-1"), ("/c",), ""),
    ] == [(one.name, one.regions, one.log_groups, one.only_logs_after) for one in found]
    file.write_text(file.read_text().replace("<regions>", "<only_logs_after>2023-NOV-15</only_logs_after><regions>"))
    assert ["2023-11-15"] == [one.only_logs_after for one in settings(tmp_path, file, state).sources]


def test_regions_that_are_not_given_come_from_the_state(tmp_path: Path) -> None:
    """The wodle knew them from its profile."""
    at = Stopped(streams=1, ended=0, least_ms=1, newest_ms=1)
    found = settings(tmp_path, DATA / "keys.conf", {("eu-west-1", "vpc-flow-logs"): at}).sources

    assert {("eu-west-1",)} == {one.regions for one in found}


def test_one_place_for_two_accounts_is_said(tmp_path: Path) -> None:
    """The wodle lost events of one of them."""
    at = Stopped(streams=1, ended=0, least_ms=1, newest_ms=1)
    _, made = written(tmp_path, DATA / "accounts.conf", {("eu-west-1", "/aws/lambda/auth"): at})

    assert 1 == sum("read with other credentials too" in line for line in made.summary())


def test_ended_after_needs_a_state_and_a_duration(tmp_path: Path) -> None:
    """One line each."""
    with pytest.raises(SettingsError, match="has no meaning without --state"):
        import_ossec.run(DATA / "manager.conf", None, ended_after="7d")
    with pytest.raises(SettingsError, match="--ended-after soon: a duration is"):
        import_ossec.run(DATA / "manager.conf", tmp_path, ended_after="soon")
    with pytest.raises(SettingsError, match="--ask-aws has no meaning without --state"):
        import_ossec.run(DATA / "manager.conf", None, ask_aws=True)
    with pytest.raises(SettingsError, match="give one of them"):
        import_ossec.run(DATA / "manager.conf", tmp_path, ask_aws=True, ended_after="7d")
    with pytest.raises(Incomplete, match="left to be done by hand"):
        import_ossec.run(DATA / "keys.conf", None)

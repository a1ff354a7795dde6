"""From file and environment to settings in force."""

from pathlib import Path

import msgspec
import pytest

from shared.errors import SettingsError
from shared.settings import load as load_module
from shared.settings.fields import kind_of, tables, variables
from shared.settings.load import load, require_sources
from shared.settings.model import Limits, Log, Settings, Source, Wazuh
from shared.settings.quantities import format_bytes, format_duration
from shared.settings.words import bounds
from tests.certificates import Authority

FILE = """
redis_url = "redis://redis:6379/0"

[wazuh]
confirm = "sent"

[limits]
queued_bytes = "64MiB"

[[sources]]
name = "production"
regions = ["us-east-1"]
log_groups = ["/aws/lambda/*"]
poll_interval = "1m"
only_logs_after = 2026-11-01T00:00:00Z
"""
SOURCE = Source(
    name="production",
    regions=("us-east-1",),
    log_groups=("/aws/lambda/*",),
    poll_interval=60_000,
    only_logs_after="2026-11-01T00:00:00+00:00",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cwpipe.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(autouse=True)
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Search in two empty directories, not in that of the project nor in /etc."""
    places = (tmp_path / "here" / "cwpipe.toml", tmp_path / "etc" / "cwpipe.toml")
    for place in places:
        place.parent.mkdir()
    monkeypatch.setattr(load_module, "SEARCHED", places)
    return places


def faults_of(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    return caught.value.faults


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_file_becomes_settings_over_the_defaults(file: Path) -> None:
    """Quantities are numbers, TOML's own times are texts."""
    expected = Settings(
        redis_url="redis://redis:6379/0",
        wazuh=Wazuh(confirm="sent"),
        limits=Limits(queued_bytes=64 * 1024**2),
        sources=(SOURCE,),
    )

    assert expected == load(file, {}).settings


def test_every_value_knows_where_it_came_from(file: Path) -> None:
    """So that nobody has to guess which of three places wins."""
    loaded = load(file, {"CWPIPE_WAZUH_QUEUE_SOCKET": "/q"})

    assert file == loaded.file
    assert f"file {file}" == loaded.origins["redis_url"]
    assert f"file {file}" == loaded.origins["sources[0].regions"]
    assert "default" == loaded.origins["sources[0].late_window"]
    assert "environment CWPIPE_WAZUH_QUEUE_SOCKET" == loaded.origins["wazuh.queue_socket"]


def test_nothing_at_all_is_the_defaults() -> None:
    """`cwpipe demo` and the forwarder need no more."""
    loaded = load(None, {})

    assert Settings() == loaded.settings
    assert loaded.file is None
    assert {"default"} == set(loaded.origins.values())


def test_the_environment_is_the_one_of_the_process_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module is its only reader."""
    monkeypatch.setenv("CWPIPE_LOG_LEVEL", "debug")

    assert "debug" == load().settings.log.level


def test_the_first_file_of_the_search_is_read(file: Path, searched: tuple[Path, Path]) -> None:
    """--config, $CWPIPE_CONFIG, ./cwpipe.toml, /etc/cwpipe/cwpipe.toml."""
    here, etc = searched
    named = written(file.parent / "named.toml", "")

    written(etc, "")
    assert etc == load(None, {}).file
    written(here, "")
    assert here == load(None, {}).file
    assert named == load(None, {"CWPIPE_CONFIG": str(named)}).file
    assert file == load(file, {"CWPIPE_CONFIG": str(named)}).file


def test_a_relative_path_becomes_absolute(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor hands it on, and a fault is read far from where it arose."""
    monkeypatch.chdir(file.parent)

    assert file == load(Path("cwpipe.toml"), {}).file


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """To go on with defaults would read other logs than were asked for."""
    missing = tmp_path / "none.toml"

    assert [f"{missing}: there is no such file; --config names it"] == faults_of(missing)
    assert [f"{missing}: there is no such file; CWPIPE_CONFIG names it"] == faults_of(
        None, {"CWPIPE_CONFIG": str(missing)}
    )


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    """A directory, a missing permission, bytes that are no text."""
    latin = written(tmp_path / "latin.toml", b"a = 1\n# caf\xe9\n")

    assert [f"{tmp_path}: cannot be read: Is a directory"] == faults_of(tmp_path)
    assert [f"{latin}: is not UTF-8 text, at line 2"] == faults_of(latin)


def test_a_file_without_permission_is_one_clear_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is only searched for: it is there, and was meant to be read."""

    def refuse(path: Path, *_: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)

    assert [f"{file}: cannot be read: Permission denied"] == faults_of(file)
    assert "cannot be read: Permission denied" in faults_of(None)[0]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a = \n", "line 1, column 5: Invalid value"),
        ("[log]\nlevel = debug\n", "line 2, column 9: Invalid value"),
        ("\n\na = [1,", "line 3, column 8: Invalid value"),
        ("a = 1\r\na = 2", "line 2, column 6: Cannot overwrite a value"),
    ],
)
def test_malformed_toml_is_placed(tmp_path: Path, content: str, place: str) -> None:
    """By line and column, at the end of the file too."""
    path = written(tmp_path / "bad.toml", content)

    assert [f"{path}: is not TOML, at {place}"] == faults_of(path)


@pytest.mark.parametrize("content", ["a = " + "9" * 5000, "a = " + "[" * 5000])
def test_toml_beyond_all_bounds_is_a_fault_too(tmp_path: Path, content: str) -> None:
    """Whatever the parser raises, the operator reads one line."""
    (line,) = faults_of(written(tmp_path / "bad.toml", content))

    assert "bad.toml: is not TOML" in line


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Some editors write one unasked."""
    assert Log(level="debug") == load(written(tmp_path / "bom.toml", "\ufeff[log]\nlevel = 'debug'\n"), {}).settings.log


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    """One start, one list: of types, ranges, keys, pairs of keys and variables."""
    path = written(
        tmp_path / "bad.toml",
        """
        redis_url = "http://joe:hush@redis"
        levels = 1
        [wazuh]
        confirm = "perhaps"
        redis_url = ""
        [log]
        levle = "info"
        [limits]
        queued_bytes = "1KiB"
        fetch_threads = "8"
        [[sources]]
        name = "one"
        regions = ["us-east-1", "everywhere"]
        external_id = "hush"
        [[sources]]
        name = "one"
        regions = ["us-east-1"]
        log_groups = ["g"]
        keep_regex = "("
        """,
    )

    lines = faults_of(path, {"CWPIPE_RUN_NORMALIZERS": "0", "CWPIPE_LOG_LEVL": "info"})

    named = [
        'wazuh.confirm = "perhaps": must be "agent", "processed", "read" or "sent"',
        "wazuh.redis_url is not a key; it belongs above the first [table]",
        'sources[0].regions[1] (source "one") = "everywhere": must be an AWS region',
        'sources[0].log_groups (source "one") is missing',
        'limits.queued_bytes = "1KiB"',
        'limits.fetch_threads = "8"',
        "log.levle is not a key; did you mean level?",
        "CWPIPE_RUN_NORMALIZERS = 0: must be a whole number, from 1 to 64",
        "levels is not a key",
        'redis_url = "http://joe:***@redis": must begin',
        'sources[1].keep_regex (source "one") = "(": must be a regular expression',
        'sources[1].name (source "one") = "one": is the name of sources[0] too',
        'sources[0].external_id (source "one") = "***": has no meaning without role_arn',
        "CWPIPE_LOG_LEVL in the environment is not a setting; did you mean CWPIPE_LOG_LEVEL?",
    ]
    assert len(named) == len(lines)
    assert [] == [part for part in named if not any(part in line for line in lines)]
    assert not any("hush" in line or "\n" in line for line in lines)


def test_faults_of_the_environment_are_reported_with_an_unreadable_file(tmp_path: Path) -> None:
    """One start, one list."""
    assert 2 == len(faults_of(tmp_path / "none.toml", {"CWPIPE_LOG_LEVEL": "loud"}))


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings that name files of TLS, and a file for each."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    cert, key = authority.issue("client")
    return {
        "CWPIPE_REDIS_CA_BUNDLE": str(authority.file),
        "CWPIPE_REDIS_CLIENT_CERT": str(cert),
        "CWPIPE_REDIS_CLIENT_KEY": str(key),
    }


def company_of(variable: str, tls_files: dict[str, str]) -> dict[str, str]:
    """Return the variables without which one has no meaning."""
    if variable in tls_files:
        return {"CWPIPE_REDIS_URL": "rediss://redis", **tls_files}
    return {"CWPIPE_REDIS_URL": "redis+sentinel://redis/main"} if "SENTINEL" in variable else {}


def other_value(key: str) -> tuple[str, object]:
    """Return a text that is not the default of `key`, and what it becomes."""
    if key == "redis_url":
        return "redis://elsewhere", "redis://elsewhere"
    if key.endswith("address"):
        return "localhost:1", "localhost:1"
    table, _, name = key.rpartition(".")
    field = next(field for field in dict(tables())[table].fields if field.encode_name == name)
    kind = kind_of(field.type)
    match kind.type:
        case msgspec.inspect.LiteralType(values=values):
            choice = next(value for value in values if value != field.default)
            return str(choice), choice
        case msgspec.inspect.BoolType():
            return str(not field.default).lower(), not field.default
        case msgspec.inspect.FloatType():
            return "0.25", 0.25
        case msgspec.inspect.IntType() as info:
            number = next(bound for bound in (*bounds(info), 1) if bound is not None and bound != field.default)
            return {"duration": format_duration, "bytes": format_bytes}.get(kind.quantity, str)(number), number
    return "/another", "/another"


@pytest.mark.parametrize(("variable", "key"), variables().items())
def test_every_variable_overrides_the_file(variable: str, key: str, file: Path, tls_files: dict[str, str]) -> None:
    """Each one of the model, whatever will be in it."""
    text, value = (tls_files[variable],) * 2 if variable in tls_files else other_value(key)
    loaded = load(file, company_of(variable, tls_files) | {variable: text})

    found: object = loaded.settings
    for name in key.split("."):
        found = getattr(found, name)
    assert value == found
    assert f"environment {variable}" == loaded.origins[key]


def test_an_empty_variable_overrides_nothing(file: Path) -> None:
    """Compose files pass on `${CWPIPE_REDIS_URL:-}`."""
    assert "redis://redis:6379/0" == load(file, {"CWPIPE_REDIS_URL": "", "REDIS_URL": " "}).settings.redis_url


def test_redis_url_works_as_everywhere(file: Path) -> None:
    """It wins over the file like any variable, and gives way to our own."""
    loaded = load(file, {"REDIS_URL": "redis://b"})

    assert "redis://b" == loaded.settings.redis_url
    assert "environment REDIS_URL" == loaded.origins["redis_url"]
    assert "redis://a" == load(file, {"REDIS_URL": "redis://b", "CWPIPE_REDIS_URL": "redis://a"}).settings.redis_url
    assert faults_of(file, {"REDIS_URL": "http://b"})[0].startswith('REDIS_URL = "http://b": must begin')


def test_one_source_needs_no_file() -> None:
    """A container with two variables reads logs."""
    loaded = load(None, {"CWPIPE_LOG_GROUPS": "/aws/lambda/*,trail", "AWS_REGION": "eu-west-1"})

    assert (
        Source(name="environment", regions=("eu-west-1",), log_groups=("/aws/lambda/*", "trail")),
    ) == loaded.settings.sources
    assert "environment CWPIPE_LOG_GROUPS" == loaded.origins["sources[0].log_groups"]
    assert "environment AWS_REGION" == loaded.origins["sources[0].regions"]


def test_a_source_of_the_environment_stands_beside_a_file_without_one(tmp_path: Path) -> None:
    """The file then has the rest."""
    path = written(tmp_path / "rest.toml", "[log]\nlevel = 'debug'\n")
    loaded = load(path, {"CWPIPE_LOG_GROUPS": "g", "CWPIPE_REGIONS": "eu-west-1"})

    assert ("debug", "environment") == (loaded.settings.log.level, loaded.settings.sources[0].name)


def test_sources_in_both_places_are_a_fault(file: Path) -> None:
    """Neither silently wins."""
    (line,) = faults_of(file, {"CWPIPE_LOG_GROUPS": "g", "CWPIPE_REGIONS": "eu-west-1"})

    assert f"{file}: [[sources]] and CWPIPE_LOG_GROUPS in the environment both name groups; keep one" == line


def test_half_a_source_in_the_environment_is_a_fault() -> None:
    """Groups without a region, a region without groups, and neither of use."""
    assert [
        "CWPIPE_LOG_GROUPS in the environment needs a region: set one of CWPIPE_REGIONS, AWS_REGION, AWS_DEFAULT_REGION"
    ] == (faults_of(None, {"CWPIPE_LOG_GROUPS": "g"}))
    assert ["CWPIPE_REGIONS in the environment does nothing without CWPIPE_LOG_GROUPS"] == (
        faults_of(None, {"CWPIPE_REGIONS": "eu-west-1"})
    )


def test_a_fault_in_the_environments_source_names_its_variable() -> None:
    """There is no file to look into."""
    lines = faults_of(None, {"CWPIPE_LOG_GROUPS": ",", "AWS_REGION": "Ireland"})

    assert ['AWS_REGION = "Ireland": must be an AWS region such as "us-east-1"'] == lines[:1]
    assert lines[1].startswith("CWPIPE_LOG_GROUPS = []: must be a list that is not empty")


def test_a_table_of_the_wrong_type_hides_no_variable_of_it(tmp_path: Path) -> None:
    """The fault is the file's; the variable is not one more."""
    path = written(tmp_path / "bad.toml", "log = 3\n")

    assert [f"{path}: log = 3: must be a table, headed by its name in [brackets]"] == (
        faults_of(path, {"CWPIPE_LOG_LEVEL": "debug"})
    )


def test_who_needs_sources_is_told_how_to_give_some(file: Path) -> None:
    """In the file that was read, or else in the one that would be."""
    require_sources(load(file, {}))
    with pytest.raises(SettingsError) as caught:
        require_sources(load(None, {}))

    (line,) = caught.value.faults
    assert line.startswith("no log groups to read: add [[sources]] with name, regions and log_groups to ")
    assert line.endswith("or set CWPIPE_LOG_GROUPS and CWPIPE_REGIONS")


def test_what_no_rule_knows_is_still_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """msgspec builds the Structs and has the last word, so a rule that is missing here lets nothing wrong in."""
    monkeypatch.setattr(load_module, "convert", lambda *_: {"redis_url": 3})

    assert ["the environment: Expected `str`, got `int` - at `$.redis_url`"] == faults_of(None)

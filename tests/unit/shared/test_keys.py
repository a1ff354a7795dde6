"""The names of what is kept in Redis: distinct where they must be, allowed where they go, and all written down."""

import inspect
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rq.job import JOB_ID_PATTERN

from shared import keys, queues
from shared.messages import GroupRef
from shared.queues import ENRICHED, RAW

_LISTED = re.compile(r"^ {4}(cwpipe:[^\s<]+)", re.MULTILINE)


def listed() -> set[str]:
    """Return the fixed beginning of every key that the docstring lists."""
    return set(_LISTED.findall(keys.__doc__ or ""))


def made() -> set[str]:
    """Return the fixed beginning of every key that the module makes."""
    constants = {value for name, value in vars(keys).items() if name.isupper() and name != "LAYOUT"}
    functions = [made for name, made in vars(keys).items() if inspect.isfunction(made) and name != "group_key"]
    return constants | {made(*"?" * len(inspect.signature(made).parameters)).partition("?")[0] for made in functions}


def test_every_key_is_listed_and_every_listed_key_is_made() -> None:
    """An operator reads the list to know what may be deleted; a key that is not there would be missed."""
    assert listed() == made()


def test_no_key_is_spelled_anywhere_else() -> None:
    """A key written by hand would be in no list."""
    root = Path(keys.__file__).parent.parent
    spelled = re.compile(r"""["']cwpipe:[a-z_]+""")
    sources = [path for package in ("services", "shared") for path in (root / package).rglob("*.py")]

    assert [root / "shared" / "keys.py"] == [path for path in sources if spelled.search(path.read_text())]


def test_groups_of_one_name_have_keys_of_their_own() -> None:
    """Each account and region may have a group /aws/lambda/billing."""
    groups = [
        GroupRef(account_id=account, region=region, log_group="/aws/lambda/billing")
        for account in ("111122223333", "444455556666")
        for region in ("eu-west-1", "us-east-1")
    ]

    assert len(groups) == len({keys.group_key(group) for group in groups})


def test_moving_a_character_from_one_name_to_the_next_makes_another_key() -> None:
    """The names are joined with something that none of them holds."""
    one = GroupRef(account_id="1", region="2a", log_group="b")
    other = GroupRef(account_id="1", region="2", log_group="ab")

    assert keys.group_key(one) != keys.group_key(other)


@given(account=st.text(), region=st.text(), name=st.text(), sequence=st.integers(0, 2**63), number=st.integers(0, 99))
def test_rq_takes_every_job_id(account: str, region: str, name: str, sequence: int, number: int) -> None:
    """Group names hold slashes and dots, which RQ refuses."""
    group_key = keys.group_key(GroupRef(account_id=account, region=region, log_group=name))
    for route in (RAW, ENRICHED):
        job_id = queues.job_id(route, f"{group_key}-{sequence}-{number}")

        assert JOB_ID_PATTERN.fullmatch(job_id)


def test_the_jobs_of_one_batch_differ_by_queue() -> None:
    """RQ keeps the jobs of all queues in one namespace, and both exist for the moment of the hand-over."""
    assert queues.job_id(RAW, "b") != queues.job_id(ENRICHED, "b")

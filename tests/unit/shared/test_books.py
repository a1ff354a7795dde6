"""The arithmetic of the books."""

from hypothesis import given
from hypothesis import strategies as st

from shared.books import ENTRIES, Account

accounts = st.builds(Account, **{entry: st.integers(0, 2**40) for entry in ENTRIES})


def test_what_is_not_yet_accounted_for_is_in_flight() -> None:
    """0 at any idle moment: anything else is a difference that `status` shouts about."""
    account = Account(fetched=100, delivered=50, duplicates=20, discarded=10, dead_lettered=5, sent_again=7)

    assert 15 == account.in_flight


@given(account=accounts, again=st.integers(0, 2**40))
def test_what_was_sent_again_stands_beside_the_balance(account: Account, again: int) -> None:
    """It counts datagrams, and of events that are delivered once in the books."""
    before = account.in_flight
    account.sent_again += again

    assert before == account.in_flight


@given(one=accounts, other=accounts)
def test_sums_are_taken_entry_by_entry_and_back(one: Account, other: Account) -> None:
    """A run reports what it added: the books after it less the books before it."""
    both = one + other

    assert both == other + one
    assert one == both - other
    assert one.in_flight + other.in_flight == both.in_flight
    assert all(getattr(one, entry) + getattr(other, entry) == getattr(both, entry) for entry in ENTRIES)


def test_every_field_is_an_entry() -> None:
    """One that is not would be left out of sums."""
    assert set(ENTRIES) == set(Account.__struct_fields__)

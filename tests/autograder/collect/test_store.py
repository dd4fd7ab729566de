"""Which version counts, and what nbgrader's late policy is told."""

from datetime import datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.collect.store import Store, Version, counting, digest, is_late, timestamp

DUE = datetime(2026, 11, 20, 12)


def version(name="x", time=None, late=False, attempt=0, sender="plain:ada") -> Version:
    return Version("ada", sender, name, digest(name.encode()), time, late, attempt, "a.zip")


def at(hour: int, **changes) -> Version:
    return version(f"at {hour}", f"2026-11-20 {hour:02}:00:00", **changes)


def test_the_last_on_time_counts_in_whatever_order_they_came():
    for order in permutations([at(9), at(12), at(13), at(15)]):
        assert counting(order, DUE) == at(12)


def test_where_none_was_on_time_the_last_of_all_counts():
    for order in permutations([at(13), at(15), at(14)]):
        assert counting(order, DUE) == at(15)


def test_without_a_due_date_the_last_counts_unless_it_is_marked_late():
    versions = [at(9), at(11), at(13, late=True)]
    assert counting(versions, None) == at(11)


def test_attempts_decide_where_there_is_no_time_and_then_the_order():
    assert counting([version("b", attempt=20), version("a", attempt=10)], DUE).name == "b"
    assert counting([version("a"), version("b")], DUE).name == "b"


@given(
    st.lists(
        st.builds(
            version,
            name=st.sampled_from("abc"),
            time=st.none() | st.integers(0, 23).map(lambda h: f"2026-11-20 {h:02}:30:00"),
            late=st.booleans(),
            attempt=st.integers(0, 3),
        ),
        min_size=1,
    )
)
def test_a_late_version_never_counts_where_one_was_on_time(versions):
    chosen = counting(versions, DUE)
    assert chosen in versions
    assert is_late(chosen, DUE) == all(is_late(v, DUE) for v in versions)


@pytest.mark.parametrize(
    ("given", "due", "told"),
    [
        (at(9), DUE, "2026-11-20 09:00:00"),
        (at(13), None, "2026-11-20 13:00:00"),
        (version(), DUE, None),
        (version(late=True), DUE, "2026-11-20 12:00:01"),
        (version(late=True), None, None),
    ],
)
def test_nbgrader_is_told_the_time_or_the_least_that_is_known(given, due, told):
    assert timestamp(given, due) == told


def test_a_version_seen_twice_is_kept_once_and_gains_its_time(home):
    store = Store(home, "luong")
    store.add(version("a"), b"a")
    store.add(version("a", "2026-11-20 09:00:00"), b"a")
    store.add(version("a"), b"a")
    assert store.versions == {"ada": [version("a", "2026-11-20 09:00:00")]}


def test_the_same_work_handed_in_later_is_a_version_of_its_own(home):
    store = Store(home, "luong")
    for hour in (9, 11):
        store.add(version("a", f"2026-11-20 {hour:02}:00:00"), b"a")
    store.add(version("a", attempt=2), b"a")
    assert len(store.versions["ada"]) == 3


def test_the_ledger_is_read_as_it_was_written(home):
    store = Store(home, "luong")
    store.add(at(9), b"x")
    store.add(version("b", sender="canvas:1"), b"y")
    store.save()
    again = Store(home, "luong")
    assert (again.versions, again.students) == (store.versions, store.students)
    assert again.students == {"plain:ada": "ada", "canvas:1": "ada"}

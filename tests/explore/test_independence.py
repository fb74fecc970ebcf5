"""Which effects may change places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.explore.independence import conflicts, dependent

READ, WRITE, APPEND = Mode.READ, Mode.WRITE, Mode.APPEND
_paths = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(lambda parts: "/".join(["sql:db", *parts]))
_touches = st.builds(Touch, st.one_of(_paths, st.sampled_from(["sql:", "mail:", "mail:ann"])), st.sampled_from(Mode))
_effects = st.builds(
    lambda touches, locks: Effect("sql", "", tuple(touches), locks=tuple(locks)),
    st.lists(_touches, max_size=3),
    st.lists(_touches, max_size=1),
)


def effect(*touches: Touch, locks: tuple[Touch, ...] = ()) -> Effect:
    """An effect that is nothing but its touches."""
    return Effect("sql", "", touches, locks=locks)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("sql:a.db/users", "sql:a.db/users", True),
        ("sql:a.db/users", "sql:a.db/orders", False),
        ("sql:a.db", "sql:a.db/users/1", True),
        ("sql:a.db/users", "sql:a.db/users/1", True),
        ("sql:a.db/users/1", "sql:a.db/users/2", False),
        ("sql:a.db/users/1", "sql:a.db/users/12", False),
        ("sql:a.db/user", "sql:a.db/users", False),
        ("mail:", "mail:ann@example.com", True),
        ("mail:ann", "mail:ann@example.com", False),
        ("http:127.0.0.1:80", "http:127.0.0.1:8080", False),
        ("http:127.0.0.1:80", "http:127.0.0.1:80/GET /users", True),
        ("file:/", "file:/tmp", True),
        ("file:/tmp", "sql:/tmp", False),
    ],
)
def test_paths_overlap_at_boundaries_only(one: str, other: str, expected: bool) -> None:
    assert dependent(effect(Touch(one, WRITE)), effect(Touch(other, WRITE))) is expected


@pytest.mark.parametrize("one", Mode)
@pytest.mark.parametrize("other", Mode)
def test_only_two_reads_and_two_appends_commute(one: Mode, other: Mode) -> None:
    commute = one is other and one is not WRITE
    assert dependent(effect(Touch("mail:ann", one)), effect(Touch("mail:ann", other))) is not commute


def test_what_touches_nothing_may_go_anywhere() -> None:
    assert not dependent(effect(), effect(Touch("sql:a.db", WRITE)))


def test_locks_order_effects_that_share_no_data() -> None:
    lock = Touch("lock:state", WRITE)
    one = effect(Touch("sql:a.db/users", WRITE), locks=(lock,))
    other = effect(Touch("sql:a.db/orders", WRITE), locks=(lock,))
    assert dependent(one, other)
    assert not dependent(one, other._replace(locks=()))


def test_locks_are_kept_with_the_site_but_change_nothing() -> None:
    locked = effect(locks=(Touch("lock:state", WRITE),))
    assert locked.at(None) == locked
    assert not locked.writes


def test_the_conflict_is_named_from_both_sides() -> None:
    mine, theirs = Touch("sql:a.db/users/1", WRITE), Touch("sql:a.db/users", READ)
    pair = conflicts(effect(Touch("mail:ann", APPEND), mine), effect(theirs))
    assert pair == (mine, theirs)
    assert conflicts(effect(mine), effect(Touch("sql:a.db/users/2", READ))) is None


@given(_effects, _effects)
def test_it_is_symmetric(one: Effect, other: Effect) -> None:
    assert dependent(one, other) == dependent(other, one)


@given(_effects, _effects, st.data())
def test_widening_never_makes_effects_independent(one: Effect, other: Effect, data: st.DataObject) -> None:
    if not dependent(one, other):
        return
    position = data.draw(st.integers(0, len(one.touches)))
    widened = [
        touch._replace(resource=_wider(touch.resource)) if number == position else touch
        for number, touch in enumerate(one.touches)
    ]
    assert dependent(one._replace(touches=tuple(widened)), other)


def _wider(resource: str) -> str:
    kind = resource[: resource.index(":") + 1]
    return resource.rpartition("/")[0] if "/" in resource else kind

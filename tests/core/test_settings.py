from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from jobchaos.core.budget import Budget
from jobchaos.core.settings import Settings
from jobchaos.errors import UsageError


@pytest.mark.parametrize(("profile", "numbers"), [("quick", (300, 1, 1, 0)), ("full", (3000, 10, 2, 1))])
def test_a_profile_sets_how_far_to_go(profile: str, numbers: tuple[int, ...]) -> None:
    settings = Settings(profile=profile)
    kills = settings.most_kills(lines=False)
    assert (settings.limits.schedules, settings.replays, settings.preemptions, kills) == numbers


def test_chosen_numbers_win_over_the_profile() -> None:
    settings = Settings(profile="quick", budget=7, replays=3)
    assert (settings.limits.schedules, settings.replays) == (7, 3)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("profile", "fast"),
        ("granularity", "opcode"),
        ("copies", 0),
        ("copies", 5),
        ("copies", True),
        ("copies", "2"),
        ("preemptions", 21),
        ("kills", -2),
        ("audit", 1.5),
        ("audit", "all"),
        ("attempts", 0),
        ("budget", -1),
        ("budget", "30 minutes"),
        ("replays", 1001),
        ("seed", 2**63 + 1),
        ("seed", 1.0),
        ("guard", 0),
        ("guard", -1.0),
        ("guard", float("nan")),
        ("guard", float("inf")),
        ("guard", True),
        ("guard", "30"),
        ("now", datetime(2030, 1, 1)),
        ("now", "2030-01-01"),
        ("ignore", "orders.updated_at"),
        ("ignore", b"orders"),
        ("ignore", None),
        ("ignore", ["orders", 1]),
        ("allow", 5),
    ],
)
def test_a_bad_value_is_named(option: str, value: object) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(UsageError, match=f"^{option} must be ") as caught:
        Settings(**options)
    assert repr(value) in str(caught.value)


def test_a_budget_may_be_a_time() -> None:
    assert Settings(budget="2m").limits.seconds == 120
    assert Settings(profile="quick", budget="0, 500ms").limits == Budget(300, 0.5)


def test_lists_and_generators_of_strings_become_tuples() -> None:
    names: Any = (name for name in ("orders", "users.seen"))
    paths: Any = ["/srv/app"]
    settings = Settings(ignore=names, allow=paths)
    assert settings.ignore == ("orders", "users.seen")
    assert settings.allow == ("/srv/app",)
    assert hash(settings) == hash(Settings(ignore=("orders", "users.seen"), allow=("/srv/app",)))


def test_override_replaces_what_is_given_and_keeps_the_rest() -> None:
    now = datetime(2030, 1, 1, tzinfo=timezone.utc)
    settings = Settings(seed=5, now=now).override({"copies": 1, "ignore": ["orders"]}, "@pytest.mark.jobchaos")
    assert settings == Settings(seed=5, now=now, copies=1, ignore=("orders",))


def test_a_new_profile_brings_its_own_defaults() -> None:
    assert Settings(profile="quick").override({"profile": "full"}, "here") == Settings(profile="full")


def test_a_new_profile_keeps_what_was_chosen_before() -> None:
    settings = Settings(profile="quick", budget=50).override({"profile": "full"}, "here")
    assert (settings.limits.schedules, settings.replays) == (50, 10)


def test_override_names_the_place_of_an_unknown_option() -> None:
    with pytest.raises(UsageError, match=r"^@pytest\.mark\.jobchaos has no option 'copy'; known are profile, copies, "):
        Settings().override({"copy": 2}, "@pytest.mark.jobchaos")


def test_override_names_the_place_of_a_bad_value() -> None:
    with pytest.raises(
        UsageError, match=r"^@pytest\.mark\.jobchaos: kills must be a whole number from -1 to 20; got 99$"
    ):
        Settings().override({"kills": 99}, "@pytest.mark.jobchaos")


def test_the_profile_says_how_far_copies_are_interleaved() -> None:
    quick, full = Settings(profile="quick"), Settings(profile="full")
    assert (quick.preemptions, quick.most_kills(lines=False)) == (1, 0)
    assert (full.preemptions, full.most_kills(lines=False)) == (2, 1)
    assert full.most_kills(lines=True) == 0
    assert Settings(profile="quick", kills=2).most_kills(lines=True) == 2
    assert quick.override({"profile": "full"}, "x").preemptions == 2
    assert Settings(profile="quick", preemptions=3).override({"profile": "full"}, "x").preemptions == 3

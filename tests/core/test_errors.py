from __future__ import annotations

import pickle

import pytest

from jobchaos.core.verdict import Verdict
from jobchaos.errors import (
    ForeignHostError,
    InconclusiveError,
    InternalError,
    JobChaosError,
    MissingExtraError,
    TokenError,
    UnsafeRestoreError,
    UsageError,
)

_VERDICT = Verdict("send(1)", "fails", "nothing", (), (), (), 3, 0.5)


def test_the_three_kinds_of_errors_are_kept_apart() -> None:
    assert issubclass(JobChaosError, AssertionError)
    assert not issubclass(UsageError, AssertionError)
    assert not issubclass(InternalError, AssertionError | UsageError)


@pytest.mark.parametrize("error", [TokenError, UnsafeRestoreError, ForeignHostError, MissingExtraError])
def test_callers_mistakes_are_usage_errors(error: type[Exception]) -> None:
    assert issubclass(error, UsageError)
    assert issubclass(TokenError, ValueError)
    assert issubclass(MissingExtraError, ImportError)


@pytest.mark.parametrize("kind", [JobChaosError, InconclusiveError])
def test_a_failure_travels_between_processes_with_its_verdict(kind: type[JobChaosError]) -> None:
    error = pickle.loads(pickle.dumps(kind("the report", _VERDICT)))
    assert type(error) is kind
    assert (str(error), error.verdict) == ("the report", _VERDICT)


def test_a_token_error_shows_the_place_and_travels_as_text() -> None:
    error = TokenError("A x", 2, "no such copy")
    assert str(error).splitlines()[:3] == ["bad schedule token: no such copy (at character 3)", "  A x", "    ^"]
    travelled = pickle.loads(pickle.dumps(error))
    assert isinstance(travelled, UsageError)
    assert str(travelled) == str(error)

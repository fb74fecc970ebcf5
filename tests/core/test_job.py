from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from jobchaos.core.job import Job
from jobchaos.errors import UsageError


def send(number: int, copy: bool = False) -> int:
    return number + copy


class Mailer:
    def post(self, to: str) -> str:
        return to

    def __call__(self, to: str) -> str:
        return to


def test_a_job_is_named_as_a_person_would_write_the_call() -> None:
    job = Job(send, 42, copy=True)
    assert (job.name, job.label, repr(job)) == ("send", "send(42, copy=True)", "<Job send(42, copy=True)>")


@pytest.mark.parametrize(
    ("function", "args", "label"),
    [
        (Mailer().post, ("ann",), "Mailer.post('ann')"),
        (Mailer(), ("ann",), "Mailer('ann')"),
        (functools.partial(send, 1), (), "send(1)"),
        (functools.partial(functools.partial(send, 1), copy=False), (), "send(1, copy=False)"),
        (print, (1,), "print(1)"),
    ],
)
def test_every_callable_has_a_label(function: Any, args: tuple[Any, ...], label: str) -> None:
    assert Job(function, *args).label == label


def test_arguments_are_those_of_the_decorator_not_of_what_it_wraps() -> None:
    @functools.wraps(send)
    def with_a_number(copy: bool) -> int:
        return send(1, copy)

    assert Job(with_a_number, copy=True).label == "send(copy=True)"
    with pytest.raises(UsageError, match="missing a required argument: 'copy'"):
        Job(with_a_number)


def test_a_local_function_is_named_without_its_surroundings() -> None:
    def inner() -> None: ...

    assert Job(inner).label == "inner()"


def test_long_arguments_are_shortened_and_addresses_left_out() -> None:
    long, plain = Job(print, "x" * 100), Job(print, object())
    assert long.label == "print('" + "x" * 56 + "...)"
    assert plain.label == "print(<object object>)"


def test_a_jobs_own_keywords_are_kept_even_when_a_fixture_has_them_too() -> None:
    def limited(within: int) -> int:
        return within

    job = Job(limited, within=3)
    assert job.kwargs == {"within": 3}
    assert job.label == "limited(within=3)"


@pytest.mark.parametrize("mistake", [42, None, "send"])
def test_what_cannot_be_called_is_refused_with_the_right_call(mistake: Any) -> None:
    with pytest.raises(UsageError, match=r"a job must be callable.*run_twice\(send_invoice, 42\)") as caught:
        Job(mistake)
    assert f"{mistake!r} of type {type(mistake).__name__}" in str(caught.value)


def test_wrong_arguments_are_refused_with_the_signature() -> None:
    with pytest.raises(UsageError, match=r"send\(\) cannot be called: missing .*'number'") as caught:
        Job(send)
    assert "send(number: 'int', copy: 'bool' = False) -> 'int'" in str(caught.value)


def test_a_generator_function_is_refused_as_nothing_would_run() -> None:
    def sends() -> Iterator[int]:
        yield 1

    async def sends_later() -> AsyncIterator[int]:
        yield 1

    for generator in (sends, sends_later):
        with pytest.raises(UsageError, match=r"sends\w* is a generator function: to call it runs none of its lines"):
            Job(generator)


def test_a_job_of_a_job_is_refused() -> None:
    job: Any = Job(send, 1)
    with pytest.raises(UsageError, match="send is a Job already"):
        Job(job)


def test_of_takes_a_job_as_it_is_and_makes_one_otherwise() -> None:
    job = Job(send, 1)
    assert Job.of(job, (), {}) is job
    assert Job.of(send, (2,), {"copy": True}).label == "send(2, copy=True)"
    with pytest.raises(UsageError, match=r"carries its own arguments; got further ones: 2, copy=True"):
        Job.of(job, (2,), {"copy": True})

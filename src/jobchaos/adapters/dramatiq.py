"""DramatiqAdapter: actors and messages of Dramatiq, processed with their broker's middleware, as its workers do."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Interrupt, Retries, SkipMessage, TimeLimit, TimeLimitExceeded
from dramatiq.results import ResultBackend, Results

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.adapters.execution import Executing, defined_at, hand_over_outermost, is_executing, replacing
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.terms import AfterKill, Terms
from jobchaos.errors import UsageError

_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-6472616d6174")
_KINDS = (dramatiq.Actor, dramatiq.GenericActor, dramatiq.Message, dramatiq.pipeline, dramatiq.group)
_THEIRS = ("traceback", "requeue_timestamp")  # options that no job looks at, and that differ each time


class DramatiqAdapter:
    """See `Adapter`."""

    name = "Dramatiq"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, _KINDS)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        thing = _actor(thing)
        if isinstance(thing, dramatiq.Actor):
            sent = thing.message(*args, **kwargs)
            sent = sent.copy(message_id=str(uuid.uuid5(_IDS, f"{thing.actor_name}{args!r}{sorted(kwargs.items())!r}")))
            return _job(thing, sent)
        if args or kwargs:
            raise UsageError(f"{thing} carries its own arguments; give further ones to .message(...) instead")
        if isinstance(thing, dramatiq.group):
            raise UsageError(f"{thing} is several messages: check them one by one")
        first = thing.messages[0] if isinstance(thing, dramatiq.pipeline) else thing
        return _job(_actor_of(first), first)

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        if sent.task not in home.get_declared_actors():
            return None
        actor = home.get_actor(sent.task)
        message = dramatiq.Message(
            queue_name=actor.queue_name,
            actor_name=sent.task,
            args=sent.args,
            kwargs=dict(sent.kwargs),
            options=dict(sent.options["options"]),
            message_id=sent.options["id"],
        )
        return _job(actor, message)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: a worker calls an actor just as everybody else does."""

        def call(actor: Any, genuine: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            current = dramatiq.middleware.CurrentMessage.get_current_message()
            run = functools.partial(genuine, *args, **kwargs)
            message_id = "" if current is None else current.message_id
            return around(Executing(actor.actor_name, defined_at(_function(actor)), message_id, _terms(actor, {}), run))

        def call_class(thing: Any, genuine: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if is_executing():
                return genuine(*args, **kwargs)
            return call(_actor(thing), genuine, args, kwargs)

        with replacing() as replace, DirectCalls(around) as direct:
            hand_over_outermost(replace, dramatiq.Actor, "__call__", call)
            hand_over_outermost(replace, dramatiq.GenericActor, "__call__", call_class)
            direct.watch_made(replace, dramatiq.Actor, _plain)
            yield


def _actor(thing: Any) -> Any:
    """The actor that a class of actors stands for, of which there is one object; all else as it is."""
    return thing.__actor__ if isinstance(thing, dramatiq.GenericActor) else thing


def _function(actor: Any) -> Any:
    is_class = isinstance(actor.fn, dramatiq.GenericActor)
    return type(actor.fn).perform if is_class else actor.fn


def _plain(actor: Any) -> Plain:
    """The function of an actor; not if that has a `__call__` of its own, without which no worker runs it."""
    has_own_call = type(actor).__call__ is not dramatiq.Actor.__call__
    return None if has_own_call else actor.fn, actor.actor_name, lambda: _terms(actor, {})


def _actor_of(sent: Any) -> Any:
    broker = dramatiq.get_broker()
    try:
        return broker.get_actor(sent.actor_name)
    except ActorNotFound as error:
        kind = type(broker).__name__
        raise UsageError(f"{kind} knows no actor {sent.actor_name!r}: import its module, or give the actor") from error


def _job(actor: Any, sent: Any) -> Job:
    broker = actor.broker
    function = inspect.unwrap(actor.fn)  # of a coroutine what Dramatiq would run in its own event loop
    has_own_call = type(actor).__call__ is not dramatiq.Actor.__call__ and not inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    def process(*args: Any, **kwargs: Any) -> Any:
        carried = message()
        options = carried if isinstance(carried, dict) else sent.options
        processed = _Processed(broker, MessageProxy(sent.copy(args=args, kwargs=kwargs, options=dict(options))))
        return processed.by(actor if has_own_call else function)

    return Job.delivered(
        process,
        tuple(sent.args),
        dict(sent.kwargs),
        name=actor.actor_name,
        terms=_terms(actor, sent.options),
        during=functools.partial(_detached, broker),
        home=broker,
    ).with_policy(_policy(actor, sent.options))


class _Processed:
    """One message, as `WorkerThread.process_message` treats it (dramatiq/worker.py, 2.2), but for acknowledgements."""

    def __init__(self, broker: Any, sent: Any) -> None:
        self._broker = broker
        self._message = sent

    def by(self, function: Callable[..., Any]) -> Any:
        """Call the actor's function, with all middleware around it."""
        try:
            self._broker.emit_before("process_message", self._message)
            result = None if self._message.failed else function(*self._message.args, **self._message.kwargs)
        except SkipMessage:
            return self._broker.emit_after("skip_message", self._message)
        except (Exception, Interrupt) as error:
            raise self._failed(error) from error
        return self._awaited(result) if inspect.iscoroutine(result) else self._done(result)

    async def _awaited(self, coroutine: Any) -> Any:
        try:
            result = await coroutine
        except (Exception, Interrupt) as error:
            raise self._failed(error) from error
        return self._done(result)

    def _done(self, result: Any) -> Any:
        self._broker.emit_after("process_message", self._message, result=result)
        return result

    def _failed(self, error: BaseException) -> BaseException:
        """What the Retries middleware decides: it marks the message as failed, or enqueues it once more."""
        try:
            self._broker.emit_after("process_message", self._message, exception=error)
        except _SentAgain as again:
            options = {name: value for name, value in self._message.options.items() if name not in _THEIRS}
            why = f"{type(error).__name__}, to be retried in {again.delay} ms"
            return Redelivery(why, again.delay * 10**6, options)
        return GivenUp(error)


class _SentAgain(BaseException):
    """The message that is being processed was enqueued once more. Middleware catches every `Exception`."""

    def __init__(self, delay: int) -> None:
        super().__init__(delay)
        self.delay = delay


class _NoResults(ResultBackend):  # type: ignore[misc]
    """Keeps no results: they are repeated with every delivery, under the same id."""

    def _store(self, _key: str, _result: Any, _ttl: int) -> None:
        pass


@contextlib.contextmanager
def _detached(broker: Any) -> Iterator[None]:
    """Let a message that is enqueued for a retry be redelivered by us, and send nothing to a result backend."""

    def heard(sent: Any, *, delay: int | None = None) -> Any:
        if isinstance(sent, MessageProxy):
            raise _SentAgain(delay or 0)
        return type(broker).enqueue(broker, sent, delay=delay)

    loggers = [entry.logger for entry in (broker, *broker.middleware) if hasattr(entry, "logger")]
    with replacing() as replace:
        replace(broker, "enqueue", heard)
        for logger in loggers:
            replace(logger, "disabled", True)  # the report tells of every failure that matters
        for results in (entry for entry in broker.middleware if isinstance(entry, Results)):
            replace(results, "backend", _NoResults())
        for limit in (entry for entry in broker.middleware if isinstance(entry, TimeLimit)):
            # Time limits strike where a schedule says so; and that Dramatiq looks at the time is not the job's doing.
            replace(limit.manager, "add_timeout", lambda *_: None)
            replace(limit.manager, "remove_timeout", lambda *_: None)
        yield


def _policy(actor: Any, options: Mapping[str, Any]) -> RetryPolicy:
    """Delays are between once and twice `min_backoff * 2 ** retries`; beyond `max_backoff`, from half of it to all.

    (dramatiq/common.py: `compute_backoff`; dramatiq/middleware/retries.py, 2.2.)
    """
    retries = _middleware(actor, Retries)
    if retries is None:
        return RetryPolicy(executions=1, source="Dramatiq without Retries")

    def option(name: str) -> Any:
        return options.get(name, actor.options.get(name, getattr(retries, name, None)))

    def delay(executions: int) -> tuple[float, float]:
        least, most = option("min_backoff") * 2 ** min(executions - 1, 32) / 1000, option("max_backoff") / 1000
        if least > most:
            return most / 2, most
        return (least, 2 * least) if 2 * least <= most else (min(least, most / 2), most)

    predicate, most = option("retry_when"), option("max_retries")
    fatal = option("throws") or ()
    fatal = fatal if isinstance(fatal, tuple) else (fatal,)
    given: dict[str, Any] = {"fatal": fatal, "delays": delay, "source": "Dramatiq's Retries"}
    if predicate is not None:
        return RetryPolicy(executions=math.inf, retryable=functools.partial(predicate, 0), **given)
    executions = math.inf if most is None else most + 1
    retryable = tuple(error for error in (Exception, Interrupt) if error not in fatal)
    return RetryPolicy(executions=executions, retryable=retryable, **given)


def _terms(actor: Any, options: Mapping[str, Any]) -> Terms:
    limit = _middleware(actor, TimeLimit)
    seconds = None
    if limit is not None:
        seconds = (options.get("time_limit") or actor.options.get("time_limit", limit.time_limit)) / 1000
    return Terms(
        system="Dramatiq",
        level="delivery",
        after_kill=AfterKill.REDELIVERED,
        because="a message is acknowledged after it was processed",
        setting="Dramatiq as it is",
        retries="" if _middleware(actor, Retries) else "the middleware Retries",
        duplicates="a worker that misses its heartbeat_timeout (Redis) or loses its connection, or a second send()",
        soft_limit=seconds,
        timeout=TimeLimitExceeded,
        dead_letter="in the dead letter queue",
    )


def _middleware(actor: Any, kind: type) -> Any:
    return next((entry for entry in actor.broker.middleware if isinstance(entry, kind)), None)

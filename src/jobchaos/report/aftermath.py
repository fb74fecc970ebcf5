"""Aftermath: what the death of a worker undoes, and what it cannot undo."""

from __future__ import annotations

from collections.abc import Iterable

from jobchaos.core.effect import Effect

_FOREIGN = {"mail": "the mail", "http": "the request", "queue": "the message", "pubsub": "the message"}


def aftermath(applied: Iterable[Effect]) -> str:
    """Say which writes of a killed attempt are rolled back while its foreign effects stay.

    Args:
        applied: The effects that the attempt applied, in order.

    Returns:
        `the update is rolled back, the mail is not`; empty if no transaction was open.
    """
    uncommitted: list[str] = []
    foreign: list[str] = []
    for effect in applied:
        verb = effect.label.partition(" ")[0].lower()
        if effect.kind in _FOREIGN and effect.writes:
            foreign.append(_FOREIGN[effect.kind])
        elif effect.kind == "sql" and (effect.durable or verb == "rollback"):
            uncommitted.clear()
        elif effect.kind == "sql" and effect.writes:
            uncommitted.append(verb)
    if not uncommitted:
        return ""
    one = len(uncommitted) == 1
    lost = f"the {uncommitted[0]} is rolled back" if one else f"{len(uncommitted)} writes are rolled back"
    if not foreign:
        return lost
    return f"{lost}, {foreign[0]} is not" if len(foreign) == 1 else f"{lost}, {len(foreign)} foreign effects are not"

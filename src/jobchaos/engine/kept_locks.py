"""KeptLocks: the locks that one attempt keeps from one effect to the next."""

from __future__ import annotations

from jobchaos.core.effect import Effect


class KeptLocks:
    """Keeps count, and tells each effect."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._met: dict[str, None] = {}  # those that it has kept at any time since its last effect

    def hold(self, resource: str, *, by_effect: bool) -> None:
        """See `Worker.hold`."""
        self._kept.append(resource)
        if not by_effect:
            self._met[resource] = None

    def let_go(self, resource: str) -> None:
        """See `Worker.let_go`."""
        if resource in self._kept:
            self._kept.remove(resource)

    def under(self, effect: Effect) -> Effect:
        """The effect that is made now, with these locks."""
        if not (self._met or self._kept):
            return effect
        effect = effect.under(dict.fromkeys((*self._met, *self._kept)), dict.fromkeys(self._kept))
        self._met = dict.fromkeys(self._kept)
        return effect

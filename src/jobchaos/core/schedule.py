"""Schedule: who runs how many steps, with which faults. A frozen value with a one-line token."""

from __future__ import annotations

import enum
import itertools
import math
import re
from dataclasses import dataclass, field

from jobchaos.errors import TokenError, UsageError

_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_RUN = re.compile(r"([A-Z])([0-9]+)?(?:!(\w*\+?))?")
_OUTAGE = re.compile(r"(down|fatal)([0-9]*)(\+?)")
_NUMBERED = re.compile(r"(hang|late)([0-9]+)")
_TIME = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_SKEW = re.compile(r"@([A-Z])([+-])")


class Fault(enum.Enum):
    """What befalls a copy at the step where its segment ends.

    `DOWN`: the call fails, and so does each further try of it. `FATAL`: likewise, with an error that must not be
    retried. Three are about time. `HANG`: from there on until the attempt ends, nobody answers at the far side that it
    waits for. `LATE`: the call is applied, and its answer comes after the caller's timeout. `SLOW`: from there on each
    answer comes at the last moment. `LIMIT`: the job's time is over, and its job system raises what it raises then.
    """

    KILL = "kill"
    TERMINATE = "terminate"
    FAIL = "fail"
    LOST = "lost"
    HANG = "hang"
    LATE = "late"
    SLOW = "slow"
    DOWN = "down"
    FATAL = "fatal"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Run:
    """Let one copy move.

    Attributes:
        copy: The copy's letter, `A` to `Z`.
        steps: How many effects it may apply; None lets it run to its end.
        fault: What happens at the step after those effects; needs `steps`.
        wait: Of `HANG` and `LATE`: which wait it is that is not answered, counted from 1 since those effects ended. A
            step may have several (connecting, then an answer), and there are waits between steps.
        count: Of `DOWN`: how many tries fail in all, 0 for all there are. Of `FATAL`: which of the policy's fatal
            errors it is, from 1.
        late: Of `DOWN`: whether retries come as late as their jitter allows, instead of as early.
    """

    copy: str
    steps: int | None = None
    fault: Fault | None = None
    wait: int = 1
    count: int = 0
    late: bool = False

    def __post_init__(self) -> None:
        if not (len(self.copy) == 1 and "A" <= self.copy <= "Z"):
            raise UsageError(f"a copy is one letter from A to Z, got {self.copy!r}")
        if self.steps is not None and self.steps < 0:
            raise UsageError(f"a copy cannot run {self.steps} steps; give 0 or more")
        if self.fault is not None and self.steps is None:
            raise UsageError(f"!{self.fault.value} needs the number of steps before it, as in A3!{self.fault.value}")
        if self.wait != 1 and (self.wait < 1 or self.fault not in (Fault.HANG, Fault.LATE)):
            raise UsageError(f"the waits that !hang and !late strike are counted from 1, got {self.wait}")
        if self.count < 0 or ((self.count or self.late) and not self.is_outage):
            raise UsageError(f"only !down and !fatal are counted, from 1; got {self.count} for {self.fault}")

    def __str__(self) -> str:
        steps = "" if self.steps is None else str(self.steps)
        fault = "" if self.fault is None else f"!{self.fault.value}"
        number = (self.wait if self.wait > 1 else "") or self.count or ""
        return f"{self.copy}{steps}{fault}{number}{'+' * self.late}"

    @property
    def position(self) -> tuple[float, int, float, bool]:
        """Sort key: where it ends, and how much fails there."""
        steps = -1 if self.steps is None else self.steps
        return steps, self.wait, self.count or (math.inf if self.is_outage else 0), self.late

    @property
    def is_outage(self) -> bool:
        """True if a call fails whenever it is tried."""
        return self.fault in (Fault.DOWN, Fault.FATAL)


@dataclass(frozen=True, slots=True)
class Wait:
    """Let virtual time pass: `nanoseconds`, more than 0."""

    nanoseconds: int

    def __post_init__(self) -> None:
        if self.nanoseconds <= 0:
            raise UsageError(f"time only moves forward; +{self.nanoseconds}ns does not")

    def __str__(self) -> str:
        return f"+{_written(self.nanoseconds)}"


@dataclass(frozen=True, slots=True)
class Skew:
    """Let the wall clock of a copy's machine be wrong from here on.

    Attributes:
        copy: The copy's letter.
        nanoseconds: How far it is ahead; negative if it is behind. `time.monotonic` is right all the same.
    """

    copy: str
    nanoseconds: int

    def __post_init__(self) -> None:
        if not (len(self.copy) == 1 and "A" <= self.copy <= "Z"):
            raise UsageError(f"a copy is one letter from A to Z, got {self.copy!r}")
        if not self.nanoseconds:
            raise UsageError(f"a clock that is wrong by nothing is right; leave @{self.copy} out")

    def __str__(self) -> str:
        return f"@{self.copy}{'+' if self.nanoseconds > 0 else '-'}{_written(abs(self.nanoseconds))}"


Segment = Run | Wait | Skew


@dataclass(frozen=True, slots=True)
class Schedule:
    """An ordered list of segments.

    Whatever is unfinished when the segments end runs to its end in letter order; killed copies, and copies whose
    attempt raised, are redelivered until they finish or their retry budget is spent. `str` gives the token and
    `Schedule.parse` reads it back.
    """

    segments: tuple[Segment, ...]
    runs: tuple[Run, ...] = field(init=False, repr=False, compare=False)
    """The segments in which a copy moves."""

    def __post_init__(self) -> None:
        runs = tuple([segment for segment in self.segments if isinstance(segment, Run)])
        object.__setattr__(self, "runs", runs)
        if not runs:
            raise UsageError("a schedule must let at least one copy run, as in 'A A'")

    def __str__(self) -> str:
        return " ".join(map(str, self.segments))

    @property
    def copies(self) -> tuple[str, ...]:
        """The letters in use, in order."""
        return tuple(sorted({run.copy for run in self.runs}))

    @property
    def fails(self) -> bool:
        """True if a call fails in it."""
        return any(run.fault in (Fault.FAIL, Fault.LOST, Fault.DOWN, Fault.FATAL) for run in self.runs)

    @property
    def is_timed(self) -> bool:
        """True if time passes in it, or a clock is wrong."""
        return len(self.runs) < len(self.segments)

    @property
    def timeless(self) -> Schedule:
        """The same with all clocks right, and no time passing between the steps."""
        return Schedule(self.runs)

    @property
    def kills(self) -> int:
        """How many segments end in a kill."""
        return sum(run.fault is Fault.KILL for run in self.runs)

    @property
    def preemptions(self) -> int:
        """How often a copy is paused, alive and unfinished, and another one moves."""
        last = {run.copy: run for run in self.runs}
        moves = (*self.runs, *(Run(copy) for copy in self.copies if last[copy].steps is not None))
        return sum(
            run.steps is not None and run.fault is None and run.copy != following.copy
            for run, following in itertools.pairwise(moves)
        )

    @property
    def simplicity(self) -> tuple[int, int, int, int, int, tuple[float, ...], str]:
        """Sort key, simplest first: copies, faults, soft ones among them, preemptions, segments, then positions.

        After a kill nothing more of the worker's happens, so it is simpler to understand than a termination.
        """
        faults = sum(run.fault is not None for run in self.runs)
        soft = sum(run.fault is Fault.TERMINATE for run in self.runs)
        positions = tuple(part for run in self.runs for part in run.position)
        return len(self.copies), faults, soft, self.preemptions, len(self.segments), positions, str(self)

    @classmethod
    def parse(cls, token: str) -> Schedule:
        """Read a token such as `A3 B A`, `A3!kill A` or `A2 +61s B A`.

        Raises:
            TokenError: Pointing at the first character that does not fit.
        """
        segments = tuple(_segment(token, match.start(), match.group()) for match in re.finditer(r"\S+", token))
        if not any(isinstance(segment, Run) for segment in segments):
            raise TokenError(token, len(token), "no copy runs")
        return cls(segments)


def _written(nanoseconds: int) -> str:
    unit = "ns"
    for name in ("us", "ms", "s"):  # beyond seconds people count in seconds: +61s, +3600s
        if nanoseconds % _NANOSECONDS[name] == 0:
            unit = name
    return f"{nanoseconds // _NANOSECONDS[unit]}{unit}"


def _segment(token: str, start: int, text: str) -> Segment:
    if text.startswith("+"):
        return Wait(_time(token, start + 1, text[1:], "no time passes"))
    if text.startswith("@"):
        return _skew(token, start, text)
    match = _RUN.match(text)
    if match is None:
        raise TokenError(token, start, f"expected a copy's letter A-Z, '+' or '@', found {text[0]!r}")
    if match.end() != len(text):
        raise TokenError(token, start + match.end(), f"{text[match.end()]!r} does not continue {match.group()!r}")
    copy, steps, fault = match.groups()
    outage = _OUTAGE.fullmatch(fault or "")
    fault, count, late = outage.groups() if outage else (fault, "", "")
    numbered = None if fault is None else _NUMBERED.fullmatch(fault)
    fault, wait = (numbered.group(1), int(numbered.group(2))) if numbered is not None else (fault, 1)
    if fault is not None and fault not in (known.value for known in Fault):
        known = ", ".join(known.value for known in Fault)
        raise TokenError(token, start + match.start(3), f"unknown fault {fault!r}; known are {known}")
    if fault is not None and steps is None:
        raise TokenError(token, start + 1, f"!{fault} needs the number of steps before it, as in {copy}3!{fault}")
    if not wait:
        raise TokenError(token, start + match.start(3), f"the waits that !{fault} strikes are counted from 1")
    found = None if fault is None else Fault(fault)
    return Run(copy, None if steps is None else int(steps), found, wait, int(count or 0), bool(late))


def _skew(token: str, start: int, text: str) -> Skew:
    match = _SKEW.match(text)
    if match is None:
        raise TokenError(
            token, start + 1, "expected a copy's letter and how far its clock is wrong, as in @B+5s or @B-5s"
        )
    nanoseconds = _time(token, start + match.end(), text[match.end() :], "a clock that is wrong by nothing is right")
    return Skew(match.group(1), nanoseconds if match.group(2) == "+" else -nanoseconds)


def _time(token: str, start: int, text: str, nothing: str) -> int:
    match = _TIME.match(text)
    if match is None:
        raise TokenError(token, start, "expected a time such as +61s, +500ms or +1.5h")
    unit = text[match.end() :]
    if unit not in _NANOSECONDS:
        raise TokenError(token, start + match.end(), f"expected a unit of time, one of {', '.join(_NANOSECONDS)}")
    whole, fraction = match.groups()
    scale = _NANOSECONDS[unit]
    parts = int(fraction or "0") * scale
    divisor: int = 10 ** len(fraction or "")
    if parts % divisor:
        raise TokenError(token, start, "time is counted in whole nanoseconds")
    nanoseconds = int(whole) * scale + parts // divisor
    if nanoseconds == 0:
        raise TokenError(token, start, nothing)
    return nanoseconds

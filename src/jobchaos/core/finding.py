"""Finding: something wrong, with a code that is stable for ever."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.diff import Diff
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Trace

CODES = {
    "JC101": "duplicate: a foreign effect (mail, request) happens again",
    "JC102": "duplicate: a foreign effect of the single run is missing",
    "JC103": "duplicate: the stored state differs from a single run's",
    "JC104": "duplicate: a delivery never completes",
    "JC201": "concurrent: a foreign effect happens again when two copies overlap",
    "JC202": "concurrent: a foreign effect is missing when two copies overlap",
    "JC203": "concurrent: the stored state differs from a single run's when two copies overlap",
    "JC204": "concurrent: a copy never completes (deadlock, stuck lock)",
    "JC205": "concurrent: a lost update between two jobs: one overwrites what the other wrote after it had read",
    "JC206": "concurrent: write skew between two jobs: each writes what the other has read before",
    "JC207": "concurrent: a non-repeatable or skewed read: a job reads from before and from after another one's write",
    "JC208": "concurrent: dirty writes of two jobs: each overwrites what the other had not finished",
    "JC209": "concurrent: different jobs leave a state that no serial order of them leaves",
    "JC301": "crash: a foreign effect happens again after a crash and redelivery",
    "JC302": "crash: a foreign effect is missing after a crash and redelivery",
    "JC303": "crash: the stored state differs from a single run's after a crash and redelivery",
    "JC304": "crash: the redelivered job never completes",
    "JC305": "crash: the stored state grows with every crash and redelivery, without end",
    "JC306": "crash: the job system loses the job with its worker, and it never completes",
    "JC307": "crash: the job stays marked as running after its worker's death, and never completes",
    "JC308": "crash: after its time limit has struck, the job never completes, or the state differs",
    "JC401": "timeout: a call has no timeout, and the job waits for ever if nobody answers",
    "JC402": "timeout: a call's timeout is longer than the job may take",
    "JC403": "timeout: the job takes longer than it may, with all its waits together",
    "JC411": "timeout: a foreign effect happens again after a call that timed out",
    "JC412": "timeout: a foreign effect is missing after a call that timed out",
    "JC413": "timeout: the stored state differs from a single run's after a call that timed out",
    "JC414": "timeout: the job never completes after a call that timed out",
    "JC415": "timeout: the job swallows a timeout, and reports success with an incomplete state",
    "JC501": "retry: a foreign effect happens again after a failed or unanswered call",
    "JC502": "retry: a foreign effect is missing after a failed or unanswered call",
    "JC503": "retry: the stored state differs from a single run's after a failed or unanswered call",
    "JC504": "retry: the job never completes after a failed or unanswered call",
    "JC505": "retry: the job swallows a failed call, and reports success with an incomplete state",
    "JC506": "retry: the job never stops retrying a call that fails for good",
    "JC507": "retry: a call is made again although it has succeeded",
    "JC508": "retry: an error that the policy calls fatal is retried",
    "JC509": "retry: retries in the job and retries by the queue multiply",
    "JC510": "retry: the number of tries is not the one that the policy says",
    "JC511": "retry: a try comes at another time than the policy says",
    "JC512": "retry: the job is given up without its red flag",
    "JC513": "retry: the red flag is raised more than once",
    "JC514": "retry: the job is given up and leaves a state that is neither the one before it nor a declared one",
    "JC530": "throttle: more calls reach an external service in one window of time than are allowed",
    "JC531": "throttle: under a burst, work is left undone",
    "JC601": "expiry: a foreign effect happens again when a lease or deadline has run out",
    "JC602": "expiry: a foreign effect is missing when a lease or deadline has run out",
    "JC603": "expiry: the stored state differs from a single run's when a lease or deadline has run out",
    "JC604": "expiry: a copy never completes when a lease or deadline has run out",
    "JC611": "expiry: two copies hold one lease at once",
    "JC612": "expiry: a copy goes on writing when its lease has run out and another one has taken it",
    "JC613": "expiry: a copy frees a lease that another one holds by now",
    "JC614": "expiry: a finished copy keeps its lease, so that the next delivery fails until it runs out",
    "JC701": "advice: a redelivery ends in an error although the work is done",
    "JC702": "advice: the job catches BaseException and would go on after being told to die",
    "JC710": "advice: the job keeps a real time function where the virtual clock cannot replace it",
    "JC711": "advice: the job waits for the lock of a file without a limit",
    "JC712": "advice: the job calls a foreign service inside an open transaction",
    "JC713": "advice: the job calls a foreign service while it holds a lock",
    "JC714": "advice: a transaction of the job is open for too long",
    "JC715": "advice: the job does the same for many objects, in a loop",
    "JC716": "advice: the job has very many effects",
    "JC717": "advice: the job takes very long, even if all goes well",
    "JC718": "advice: the job is much larger or takes much longer than the others of the session",
    "JC719": "advice: the job decides by the clock of a database server, which is real",
    "JC720": "advice: the delays between retries do not grow",
    "JC721": "advice: the delays between retries have no jitter",
    "JC722": "advice: the job makes changes that it never commits",
    "JC901": "inconclusive: two identical runs differ (uncontrolled nondeterminism)",
    "JC902": "inconclusive: no effect of the job could be seen",
    "JC903": "inconclusive: the job fails without any fault",
    "JC904": "inconclusive: an attempt did not reach its next step within the guard time",
    "JC905": "inconclusive: a touched resource has no store",
    "JC906": "inconclusive: the job starts threads or processes of its own",
    "JC907": "inconclusive: the plan is larger than its budget",
    "JC908": "inconclusive: a failing schedule did not fail again when replayed",
    "JC909": "inconclusive: the job ends before the step at which the schedule asked for interferes",
    "JC910": "inconclusive: a simulated kill and a real SIGKILL disagree",
    "JC911": "inconclusive: a worker process ended by itself",
    "JC912": "inconclusive: the job uses a connection that was opened in another process",
    "JC913": "inconclusive: the database server was lost in the middle of the check",
    "JC914": "inconclusive: the job changes the schema of a database, and that cannot be undone",
    "JC915": "inconclusive: the job uses a database connection that cannot be watched",
    "JC916": "inconclusive: a connection pooler stands between the job and its database",
    "JC917": "inconclusive: the job uses Redis in a way that cannot be controlled (a cluster, subscriptions)",
    "JC919": "inconclusive: a table of the job's takes no part in transactions",
    "JC920": "inconclusive: schedules that were taken for equivalent leave different states",
    "JC921": "inconclusive: copies cannot overlap, as only one worker at a time can use a store",
    "JC940": "suite: an assertion fails, and an effect is repeated whose state cannot be compared",
    "JC941": "suite: only call counts, return values or mocks that ran out of answers differ",
    "JC942": "suite: a test cannot be run again",
    "JC943": "suite: no time was left to replay a task",
    "JC944": "suite: tests that have to do with tasks execute none",
}
"""Every code with its meaning. Codes are never reused or renamed."""
OF_CLEAN_RUNS = ("JC722",)
"""Advice on clean runs only: who has met an error may well drop what it has done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a job, or that keeps us from claiming anything.

    Attributes:
        code: A key of `CODES`.
        message: One sentence for a tired person.
        schedule: The minimal schedule that shows it; None if no schedule does (advice, inconclusive).
        diff: The state after it against one clean run's, or against the nearest serial order's.
        against: That order (`A then B`) if there are different jobs; else empty.
        trace: What happened under it.
        failing: How many schedules of the same family fail in the same way.
        total: How many schedules the family has.
        nearest: The passing schedule closest to `schedule`, if there is one.
        fix: What usually helps.
        detail: Further text: a traceback, two traces side by side.
        replays: How often it failed again, of how many replays.
        confirmed: What else shows it: `with a real SIGKILL`; empty if it was only simulated.
    """

    code: str
    message: str
    schedule: Schedule | None = None
    diff: Diff | None = None
    against: str = ""
    trace: Trace | None = None
    failing: int = 0
    total: int = 0
    nearest: Schedule | None = None
    fix: str = ""
    detail: str = ""
    replays: tuple[int, int] = (0, 0)
    confirmed: str = ""

    @property
    def gates(self) -> bool:
        """False for advice (JC7xx), which fails a test only if the settings are strict."""
        return not self.code.startswith("JC7")

    @property
    def inconclusive(self) -> bool:
        """True for JC9xx: it says what cannot be claimed, not that the job is wrong."""
        return self.code.startswith("JC9")

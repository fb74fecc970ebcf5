"""Short ways to build what reports are made of: effects, events, traces, moments, findings and verdicts."""

from __future__ import annotations

from jobchaos.core.diff import Change, Diff
from jobchaos.core.effect import Effect, Mode, Site, Touch
from jobchaos.core.finding import Finding
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.core.verdict import FamilyResult, Verdict
from jobchaos.report.moment import Moment

NODEID = "tests/test_mail.py::test_signup"


def sql(label: str, *, site: Site | None = None) -> Effect:
    """A statement; its first word tells whether it reads, writes or ends a transaction."""
    verb = label.partition(" ")[0].lower()
    if verb in ("begin", "rollback"):
        return Effect("sql", label, site=site)
    mode = Mode.READ if verb == "select" else Mode.WRITE
    return Effect("sql", label, (Touch("sql:/tmp/app.db/users", mode),), verb == "commit", site)


def mail(label: str = "SMTP ann@example.com", *, site: Site | None = None) -> Effect:
    """A mail."""
    return Effect("mail", label, (Touch("mail:ann@example.com", Mode.APPEND),), True, site)


def request(label: str = "POST /charges", mode: Mode = Mode.WRITE) -> Effect:
    """A request; it changes something unless `mode` says that it only reads."""
    return Effect("http", label, (Touch("http:127.0.0.1:80/POST /charges", mode),), True)


def delivered(copy: str = "A", attempt: int = 1) -> TraceEvent:
    """A copy is handed to a worker."""
    return TraceEvent(Happening.DELIVERED, copy, attempt, None, "", 0)


def did(effect: Effect, outcome: str = "", *, copy: str = "A", applied: bool = True) -> TraceEvent:
    """An effect is tried."""
    return TraceEvent(Happening.EFFECT, copy, 1, effect, outcome, 0, applied)


def befell(happening: Happening, detail: str = "", *, effect: Effect | None = None, copy: str = "A") -> TraceEvent:
    """Something else happens."""
    return TraceEvent(happening, copy, 1, effect, detail, 0)


def done(number: int, text: str, outcome: str = "", *, copy: str = "A", site: str = "", applied: bool = True) -> Moment:
    """An effect as it is told."""
    return Moment(number, "effect", copy, 1, text, outcome, applied, site, 0)


def said(happening: str, text: str, *, copy: str = "A", attempt: int = 1) -> Moment:
    """Anything but an effect, as it is told."""
    return Moment(None, happening, copy, attempt, text, "", True, "", 0)


def crashed() -> Trace:
    """A job mails, dies before its commit, and is delivered again."""
    begin, update, commit = sql("BEGIN"), sql("UPDATE users SET sent = 1"), sql("COMMIT")
    first = (delivered(), did(begin), did(mail(), "250"), did(update), befell(Happening.KILLED, effect=commit))
    again = (delivered(attempt=2), did(begin), did(mail(), "250"), did(update), did(commit))
    return Trace((*first, *again, befell(Happening.FINISHED)))


def mailed_twice() -> Diff:
    """One mail too many, and an untouched table."""
    row = {"to": "ann@example.com", "subject": "Welcome"}
    return Diff((Change("mail", "mail", row, 2, 1, {}),), ("app.db.users",))


def finding(code: str = "JC301", message: str = "mails twice", *, detail: str = "") -> Finding:
    """A finding with everything that a crash has."""
    return Finding(
        code,
        message,
        schedule=Schedule.parse("A3!kill A"),
        diff=mailed_twice(),
        trace=crashed(),
        failing=1,
        total=7,
        nearest=Schedule.parse("A2!kill A"),
        fix="a Message-ID derived from the user",
        detail=detail,
        replays=(10, 10),
        confirmed="with a real SIGKILL",
    )


def verdict(
    *findings: Finding, status: str = "fails", job: str = "send_signup_mail(1)", notes: tuple[str, ...] = ()
) -> Verdict:
    """A verdict on crashes."""
    families = (FamilyResult("crash", status, planned=7, run=7, failing=int(status == "fails")),)
    return Verdict(job, status, "at most 1 kill; 7 crash points", findings, families, notes, 7, 1.25)

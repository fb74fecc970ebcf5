"""What one run with faults shows, and how that is graded and grouped."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.compare import Ignore
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Snapshot, State, Table
from jobchaos.suite.causes import group
from jobchaos.suite.review import remedy
from jobchaos.suite.seen import Act, Recording, Seen
from jobchaos.suite.symptoms import Controls, Symptom, symptom
from tests.plugin.tiny import TERMS

TARGET = ("shop.send", 1)
NOTHING = Ignore(())


def act(kind: str, shape: str, *, task: str = "shop.send") -> Act:
    return Act(kind, shape, f"shop.py:{len(shape)}", shape, task, writes=True, durable=True)


MAIL = act("mail", "mail")
INSERT = act("sql", "INSERT users")
UPDATE = act("sql", "UPDATE users")
CACHE = act("cache", "cache.incr()")
MOCK = act("mock", "client()")


def users(*rows: tuple[int, str]) -> State:
    return {"app.db": Snapshot({"users": Table(("id", "name"), rows, ("id",))})}


def mails(*subjects: str) -> State:
    return {"mail": Snapshot({"mail": Table(("to", "subject"), tuple(("ann", subject) for subject in subjects))})}


def recording(acts: Sequence[Act], state: State | None, *, final: State | None = None) -> Recording:
    seen = Seen(TARGET, None, TERMS, acts=list(acts))
    return Recording([seen], {} if state is None else {TARGET: state}, final, fired=True)


def judged(
    clean: Recording, run: Recording, failure: str = "", token: str = "A A", test: str = "test"
) -> Symptom | None:
    schedule = Schedule.parse(token)
    return symptom(test, TARGET, schedule, Controls(clean, clean), run, failure, NOTHING)


def graded(found: Symptom | None) -> tuple[str, str] | None:
    return None if found is None else (found.grade, found.code)


def test_equal_states_are_no_symptom_whatever_is_repeated() -> None:
    assert judged(recording([INSERT], users()), recording([INSERT, INSERT], users())) is None


def test_what_did_not_take_place_is_no_symptom() -> None:
    run = recording([INSERT, INSERT], users((1, "ann")))
    run.fired = False
    assert judged(recording([INSERT], users()), run) is None


def test_an_execution_that_fails_as_the_test_wants_may_get_through_the_next_time() -> None:
    clean, run = recording([INSERT], users()), recording([INSERT, INSERT], users((1, "ann")))
    clean.executions[0].failed = True
    assert judged(clean, run, "assert 2 == 1") is None
    run.executions[0].failed = True
    assert graded(judged(clean, run)) == ("A", "JC103")


def test_another_message_of_the_same_task_shows_nothing() -> None:
    """Two workers may take two messages in any order."""
    clean, run = recording([INSERT], users()), recording([UPDATE, UPDATE], users((1, "ann")))
    assert judged(clean, run) is None
    at_random = Controls(clean, recording([UPDATE], users()))
    assert symptom("test", TARGET, Schedule.parse("A A"), at_random, run, "", NOTHING) is not None


def test_another_state_is_grade_a_and_blamed_on_what_wrote_it() -> None:
    found = judged(recording([INSERT, CACHE], users()), recording([INSERT, CACHE] * 2, users((1, "ann"))))
    assert graded(found) == ("A", "JC103")
    assert found is not None
    assert found.effects == (("INSERT users", "shop.py:12"),)


def test_of_several_files_the_one_that_differs_is_blamed() -> None:
    def files(content: str) -> State:
        return {"files": Snapshot({"files": Table(("path", "content"), (("<tmp>/total", content),), ("path",))})}

    log, total = act("file", "write .../log"), act("file", "write .../total")
    found = judged(recording([log, total], files("1")), recording([log, total] * 2, files("2")))
    assert found is not None
    assert [label for label, _ in found.effects] == ["write .../total"]
    assert "rename it over the first" in remedy(group([found])[0])
    rows = judged(recording([INSERT], users()), recording([INSERT, INSERT], users((1, "ann"))))
    assert rows is not None
    assert "upsert" in remedy(group([rows])[0])


def test_a_repeated_mail_is_told_apart_from_a_missing_one() -> None:
    clean = recording([MAIL], mails("Hello"))
    assert graded(judged(clean, recording([MAIL, MAIL], mails("Hello", "Hello")))) == ("A", "JC101")
    assert graded(judged(clean, recording([], mails()), token="A1!kill A")) == ("A", "JC302")
    assert graded(judged(clean, recording([], {}), "assert 0 == 1", token="A1!kill A")) == ("A", "JC302")
    assert graded(judged(clean, recording([MAIL, MAIL], mails("Hello", "Hello")), token="A1!lost A")) == ("A", "JC501")


def test_without_a_state_a_repeated_row_is_grade_a() -> None:
    assert graded(judged(recording([INSERT], None), recording([INSERT, INSERT], None))) == ("A", "JC101")


def test_a_failing_assertion_with_a_repeated_effect_that_cannot_be_compared_is_grade_b() -> None:
    clean, run = recording([CACHE], users()), recording([CACHE, CACHE], users())
    assert graded(judged(clean, run, "assert 2 == 1")) == ("B", "JC940")
    assert judged(clean, run) is None


def test_a_failing_assertion_alone_is_grade_c() -> None:
    for acts in ([MOCK], [INSERT], []):
        found = judged(recording(acts, users()), recording(acts * 2, users()), "Called 2 times.")
        assert graded(found) == ("C", "JC941")


def test_a_test_that_fails_early_has_not_lost_what_it_had_not_done_yet() -> None:
    clean = recording([MOCK], users(), final=users((1, "ann")))
    assert graded(judged(clean, recording([MOCK, MOCK], users(), final=users()), "Called 2 times.")) == ("C", "JC941")


def test_mails_sent_after_the_execution_count_also_in_a_test_that_fails() -> None:
    clean = recording([MAIL], users(), final=mails("Hello"))
    run = recording([MAIL, MAIL], users(), final=mails("Hello", "Hello"))
    assert graded(judged(clean, run, "assert 2 == 1")) == ("A", "JC101")


def test_a_message_that_its_receiver_bears_twice_can_be_declared() -> None:
    enqueue = act("queue", "ENQUEUE shop.child(1) in mail")
    found = judged(recording([enqueue], None), recording([enqueue, enqueue], None), "assert 2 == 1")
    assert found is not None
    assert remedy(group([found])[0]).endswith("say so: jobchaos_idempotent = shop.send: ENQUEUE shop.child*")
    mail = judged(recording([MAIL], mails("Hello")), recording([MAIL, MAIL], mails("Hello", "Hello")))
    assert mail is not None
    assert "jobchaos_idempotent" not in remedy(group([mail])[0])


def test_columns_that_differ_without_any_fault_are_not_compared() -> None:
    first, second = (recording([INSERT], users((1, time))) for time in ("10:00:00.1", "10:00:00.2"))
    run = recording([INSERT, INSERT], users((1, "10:00:00.3")))
    found = symptom("test", TARGET, Schedule.parse("A A"), Controls(first, second), run, "", NOTHING)
    assert found is None


def test_a_message_whose_task_is_executed_is_judged_by_what_that_does() -> None:
    def queue(*tasks: str) -> State:
        return {"queue": Snapshot({"queue": Table(("queue", "task"), tuple(("q", task) for task in tasks))})}

    enqueue = act("queue", "ENQUEUE")
    clean, run = recording([enqueue], queue("shop.child")), recording([enqueue] * 2, queue("shop.child", "shop.child"))
    assert graded(judged(clean, run)) == ("A", "JC101")
    run.executions.append(Seen(("shop.child", 1), None, TERMS))
    assert judged(clean, run) is None


def test_symptoms_travel_between_processes() -> None:
    found = judged(recording([INSERT], users()), recording([INSERT, INSERT], users((1, "ann"))))
    assert found is not None
    assert Symptom.of(found.plain()) == found


def found_in(test: str, token: str, acts: Sequence[Act], subject: str = "Hello") -> Symptom:
    clean = recording(acts, mails(subject))
    found = judged(clean, recording([*acts, *acts], mails(subject, subject)), token=token, test=test)
    assert found is not None
    return found


def test_one_cause_for_all_tests_and_schedules_with_the_same_wrong_effect() -> None:
    symptoms = [found_in("b", "A1!kill A", [MAIL]), found_in("a", "A A", [MAIL]), found_in("c", "A1!lost A", [MAIL])]
    (cause,) = group(symptoms)
    assert cause.first.schedule == "A A"
    assert cause.tests == ("a", "b", "c")
    assert not cause.is_window


def test_other_effects_and_other_tasks_have_causes_of_their_own() -> None:
    other = Act("mail", "mail", "shop.py:99", "mail", "shop.send", writes=True, durable=True)
    child = act("mail", "mail", task="shop.child")
    assert len(group([found_in("a", "A A", [one]) for one in (MAIL, other, child)])) == 3


def test_two_causes_turn_out_to_be_one_if_a_third_symptom_has_both_effects() -> None:
    other = Act("mail", "mail", "shop.py:99", "mail", "shop.send", writes=True, durable=True)
    assert len(group([found_in("a", "A A", acts) for acts in ([MAIL], [other], [MAIL, other])])) == 1


def test_windows_come_after_what_has_no_guard_at_all() -> None:
    window, unguarded = found_in("a", "A1!kill A", [MAIL]), found_in("b", "A A", [act("mail", "mail", task="z")])
    assert [cause.is_window for cause in group([window, unguarded])] == [False, True]


def test_tables_in_which_each_run_leaves_more_are_not_compared() -> None:
    once, twice, thrice = (users(*((number, "a") for number in range(count))) for count in (1, 2, 3))

    def found(*acts: Act, failure: str = "") -> Symptom | None:
        controls = Controls(recording(acts, None, final=once), recording(acts, None, final=twice))
        run = recording([*acts, *acts], None, final=thrice)
        return symptom("test", TARGET, Schedule.parse("A A"), controls, run, failure, NOTHING)

    assert found(UPDATE) is None
    assert graded(found(UPDATE, failure="assert 2 == 1")) == ("B", "JC940")
    assert graded(found(INSERT)) == ("A", "JC101")
    assert found(MAIL) is None  # what was sent is compared all the same


def test_other_tables_are_compared_all_the_same() -> None:
    def state(users: int, sent: int) -> State:
        rows = {"users": users, "sent": sent}
        return {"app.db": Snapshot({name: Table(("id",), tuple((at,) for at in range(rows[name]))) for name in rows})}

    controls = Controls(recording([UPDATE], state(1, 1)), recording([UPDATE], state(2, 1)))
    run = recording([UPDATE, UPDATE], state(3, 2))
    found = symptom("test", TARGET, Schedule.parse("A A"), controls, run, "", NOTHING)
    assert found is not None
    assert [change.table for change in found.changes] == ["sent"]


def test_tables_that_differ_by_chance_only_are_steady() -> None:
    first, second = recording([], None, final=users((1, "k3x"))), recording([], None, final=users((1, "p9q")))
    assert Controls(first, second).unsteady(NOTHING) == set()
    more = recording([], None, final=users((1, "k3x"), (2, "k3x")))
    assert Controls(first, more).unsteady(NOTHING) == {"users"}


def test_a_fake_without_further_answers_shows_nothing_that_follows() -> None:
    clean, run = recording([UPDATE], users((1, "sent"))), recording([UPDATE, UPDATE], users((1, "new")))
    assert graded(judged(clean, run, "StopIteration")) == ("C", "JC941")
    assert graded(judged(clean, run, "assert 2 == 1")) == ("A", "JC103")

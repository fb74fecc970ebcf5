"""Zero-change mode with Django: transactions, callbacks after COMMIT, the cache, and what its own test cases do."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes

SETTINGS = """
SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["app"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""

MODELS = """
from django.db import models


class Account(models.Model):
    points = models.IntegerField(default=0)
    changed = models.DateTimeField(auto_now=True)


class Entry(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    key = models.CharField(max_length=20, unique=True)
"""

TASKS = """
from celery import Celery
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F

from app.models import Account, Entry

celery = Celery("app", broker="memory://")
celery.conf.update(task_always_eager=True, task_eager_propagates=True)
late = dict(acks_late=True, reject_on_worker_lost=True)


@celery.task(**late)
def mails_after_commit(pk):
    with transaction.atomic():
        Account.objects.filter(pk=pk).update(points=1)
        transaction.on_commit(lambda: send_mail("Done", "", None, ["ann@example.com"]))


@celery.task(**late)
def two_commits(pk):
    if Entry.objects.filter(key=f"paid-{pk}").exists():
        return
    Entry.objects.create(account_id=pk, key=f"paid-{pk}")
    Account.objects.filter(pk=pk).update(points=F("points") + 1)


@celery.task(**late)
def one_commit(pk):
    with transaction.atomic(savepoint=False):
        if not Entry.objects.filter(key=f"paid-{pk}").exists():
            Entry.objects.create(account_id=pk, key=f"paid-{pk}")
            Account.objects.filter(pk=pk).update(points=F("points") + 1)


@celery.task(**late)
def refused_by_a_key(pk):
    with transaction.atomic():
        try:
            with transaction.atomic():
                Entry.objects.create(account_id=pk, key=f"paid-{pk}")
        except IntegrityError:
            return
        Account.objects.filter(pk=pk).update(points=F("points") + 1)


@celery.task(**late)
def reserves_then_mails(pk):
    _, is_new = Entry.objects.get_or_create(account_id=pk, key=f"mail-{pk}")
    if is_new:
        send_mail("Reserved", "", None, ["ann@example.com"])


@celery.task(**late)
def adds_after_commit(pk):
    transaction.on_commit(lambda: Account.objects.filter(pk=pk).update(points=F("points") + 1))


@celery.task(**late)
def touches(pk):
    Account.objects.get(pk=pk).save()


@celery.task(**late)
def counts(pk):
    cache.incr("sold")
"""

TESTS = """
import pytest
from django.core.cache import cache
from django.test import TestCase, TransactionTestCase
from app import tasks
from app.models import Account, Entry


@pytest.fixture
def account(db):
    return Account.objects.create()


def test_after_commit(account, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        tasks.mails_after_commit.delay(account.pk)
    assert len(mailoutbox) == 1


def test_refused_by_a_key(account):
    tasks.refused_by_a_key.delay(account.pk)
    account.refresh_from_db()
    assert account.points == 1


def test_reserves_then_mails(account, mailoutbox):
    tasks.reserves_then_mails.delay(account.pk)
    assert len(mailoutbox) == 1


def test_touches(account, django_assert_num_queries):
    with django_assert_num_queries(2):
        tasks.touches.delay(account.pk)


def test_counts(account):
    cache.set("sold", 0)
    tasks.counts.delay(account.pk)
    assert cache.get("sold") == 1


class InATransaction(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.account = Account.objects.create()

    def test_two_commits(self):
        tasks.two_commits.delay(self.account.pk)
        self.account.refresh_from_db()
        self.assertEqual(self.account.points, 1)

    def test_one_commit(self):
        tasks.one_commit.delay(self.account.pk)
        self.account.refresh_from_db()
        self.assertEqual(self.account.points, 1)

    def test_nothing_is_asserted_of_what_is_rolled_back(self):
        with self.captureOnCommitCallbacks(execute=True):
            tasks.adds_after_commit.delay(self.account.pk)


class Committing(TransactionTestCase):
    def test_one_commit(self):
        account = Account.objects.create()
        tasks.one_commit.delay(account.pk)
        account.refresh_from_db()
        self.assertEqual(account.points, 1)

    def test_two_commits(self):
        account = Account.objects.create()
        tasks.two_commits.delay(account.pk)
        self.assertEqual(Entry.objects.count(), 1)
"""

CAUSES = [
    ("JC103", "A", "app.tasks.adds_after_commit"),
    ("JC103", "A", "app.tasks.counts"),
    ("JC101", "A", "app.tasks.mails_after_commit"),
    ("JC302", "A", "app.tasks.reserves_then_mails"),
    ("JC303", "A", "app.tasks.two_commits"),
]
"""What `TESTS` show, on whatever database."""

HELD_BACK = """
import pytest
from django.db import transaction
from django.test import TestCase
from app import tasks
from app.models import Account


def enqueues():
    account = Account.objects.create()
    transaction.on_commit(lambda: tasks.touches.delay(account.pk))


@pytest.mark.django_db
def test_function():
    enqueues()


class InATransaction(TestCase):
    def test_method(self):
        enqueues()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytest.importorskip("celery")
    pytest.importorskip("django")
    app = pytester.mkpydir("app")
    for name, text in {"settings": SETTINGS, "models": MODELS, "tasks": TASKS}.items():
        (app / f"{name}.py").write_text(text)
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = app.settings\npythonpath = .\n")
    return pytester


def test_exactly_the_broken_tasks_are_reported(project: pytest.Pytester) -> None:
    project.makepyfile(test_app=TESTS)
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "--jobchaos")
    assert causes(result) == CAUSES
    result.assert_outcomes(passed=TESTS.count("def test_"))
    result.stdout.fnmatch_lines(["JC941 ?C?*", "   app.tasks.touches: *"])
    assert not [line for line in result.outlines if line.startswith("JC942")]


def test_tasks_that_wait_for_a_commit_are_explained(project: pytest.Pytester) -> None:
    project.makepyfile(test_app=HELD_BACK)
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "--jobchaos")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["Celery: 0 of 2 tests execute tasks*", "JC944 2 tests without any task: *COMMIT*"])

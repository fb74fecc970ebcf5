"""The models that ORMs map to tables are found, without an import of any."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column, registry

from jobchaos.checking import check
from jobchaos.core.model import Model
from jobchaos.core.settings import Settings
from jobchaos.stores.sqlalchemy_models import sqlalchemy_models


class Base(DeclarativeBase):
    pass


class Animal(Base):
    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - as SQLAlchemy has it

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column("kind_of_animal")


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012 - as SQLAlchemy has it


class Dog(Animal):
    __tablename__ = "dogs"
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012 - as SQLAlchemy has it

    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)


class Bill(Base):
    __tablename__ = "bills"
    __table_args__ = {"schema": "billing"}  # noqa: RUF012 - as SQLAlchemy has it

    id: Mapped[int] = mapped_column(primary_key=True)


class Plain:
    """Mapped by hand."""


PLAIN = sa.Table("plain", sa.MetaData(schema="public"), sa.Column("id", sa.Integer, primary_key=True))


def test_a_class_of_a_module_that_is_gone_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Bill" in {model.name for model in sqlalchemy_models()}
    monkeypatch.setattr(Bill, "__module__", "gone")
    assert "Bill" not in {model.name for model in sqlalchemy_models()}


def test_what_sqlalchemy_maps_is_found_as_stores_name_its_tables() -> None:
    by_hand = registry()
    by_hand.map_imperatively(Plain, PLAIN)
    configure_mappers()
    found = set(sqlalchemy_models())
    assert {
        Model("Animal", "animals", frozenset({"id", "kind_of_animal"})),
        Model("Dog", "dogs", frozenset({"id"})),
        Model("Bill", "billing.bills", frozenset({"id"})),
        Model("Plain", "plain", frozenset({"id"})),
    } <= found
    assert "Cat" not in {model.name for model in found}, "its rows are Animals, too"
    by_hand.dispose()


DJANGO = """
    import django
    from django.conf import settings

    settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
    from jobchaos.stores.models import known_models

    assert list(known_models()) == [], "the apps are not loaded yet"
    django.setup()
    from django.contrib.auth.models import User
    from django.db import models

    class Person(User):
        class Meta:
            proxy = True
            app_label = "auth"

    class Member(User):
        since = models.DateField(db_column="since_when")

        class Meta:
            app_label = "auth"
            db_table = "members"

    told = {model.table: (model.name, model.columns) for model in known_models()}
    assert told["auth_user"][0] == "auth.User", "not that of the proxy"
    assert {"id", "password"} <= told["auth_user"][1]
    assert told["auth_user_groups"] == ("auth.User_groups", {"id", "user_id", "group_id"})
    assert told["members"] == ("auth.Member", {"user_ptr_id", "since_when"})
"""
NEITHER = """
    import sys
    from jobchaos.stores.models import known_models

    assert list(known_models()) == []
    assert not {"django", "sqlalchemy"} & sys.modules.keys()
"""


@pytest.mark.parametrize("program", [DJANGO, NEITHER], ids=["Django's are found", "nothing is imported"])
def test_in_a_process_of_its_own(program: str) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_a_finding_names_the_model_beside_the_table(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'zoo.db'}")
    tables = [Base.metadata.tables["animals"]]
    Base.metadata.create_all(engine, tables)

    def adds() -> None:
        with Session(engine) as session, session.begin():
            session.add(Animal(kind="animal"))

    verdict = check(adds, faults=["duplicate"], settings=Settings(profile="quick", isolation="thread"))
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    assert "leaves one row too many in animals (Animal)" in finding.message
    assert finding.diff is not None
    assert [change.model for change in finding.diff.changes] == ["Animal"]
    engine.dispose()

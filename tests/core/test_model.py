"""A change names the model of its table, if it is clear which one that is."""

from __future__ import annotations

import pytest

from jobchaos.core.diff import Change, Diff
from jobchaos.core.model import Model, with_models

ORDER = Model("shop.Order", "orders", frozenset({"id", "status"}))


def change(table: str = "orders", *columns: str) -> Change:
    return Change("app.db", table, dict.fromkeys(columns or ("id", "status"), 1), 2, 1, {})


@pytest.mark.parametrize(
    ("changed", "models", "name"),
    [
        (change(), [ORDER], "shop.Order"),
        (change("orders", "id"), [ORDER], "shop.Order"),  # a column is left out of comparisons
        (change("orders", "id", "status", "more"), [ORDER], "shop.Order"),  # one that the model does not know of
        (change(), [], ""),
        (change("mails"), [ORDER], ""),
        (change("orders", "to", "subject"), [ORDER], ""),  # of another database, or of none
        (change(), [ORDER, ORDER], "shop.Order"),
        (change(), [ORDER, ORDER._replace(name="old.Order")], ""),
        (change(), [ORDER, ORDER._replace(name="old.Order", columns=frozenset({"number"}))], "shop.Order"),
    ],
    ids=["same", "fewer", "more", "unknown", "other table", "other columns", "twice", "two", "two, one of which fits"],
)
def test_a_change_names_the_model_of_its_table(changed: Change, models: list[Model], name: str) -> None:
    diff = with_models(Diff((changed,), ("app.db.users",)), models)
    assert [each.model for each in diff.changes] == [name]
    assert (diff.changes[0].table, diff.changes[0].row, diff.equal) == (changed.table, changed.row, ("app.db.users",))

"""
Rows that no hash chain covers, compared with the copy that each has of itself.

The database keeps the copy (`make_copy`), so that whoever writes a row need not
think of it. Tables and migrations themselves never change while a process runs.
"""

from typing import Any

from django.apps import apps
from django.db import models

from bazaar.runtime.engines import current
from bazaar.runtime.transactions import read

_WRONG = (
    "SELECT (SELECT COUNT(*) FROM {table} WHERE NOT ({is_sound}){probes}) > 0"
    " OR (SELECT COUNT(*) FROM {table}) <> (SELECT COUNT(*) FROM {table}{unindexed})"
)
_PROBE = (
    " OR NOT EXISTS (SELECT 1 FROM {table} same"
    " WHERE same.{column} = {table}.{column} AND same.copy = {table}.copy)"
)
"""A row that its index does not lead to."""
_MIGRATIONS = (
    "SELECT {joined} FROM (SELECT {id} || {app} || {name} AS text, id AS place"
    " FROM django_migrations ORDER BY id) AS migrations"
)


class Copy(models.Func):
    """Columns once more, as one text that is another one for whatever is in them."""

    template = current().quote.format("%(expressions)s")
    arg_joiner = " || '|' || ".join(current().quote.split("{}")[::-1])
    output_field = models.TextField()


def make_copy(*columns: str) -> Any:
    """
    Return a column in which the database keeps others again.

    For rows that no hash chain covers.
    """
    return models.GeneratedField(
        expression=Copy(*columns), output_field=models.TextField(), db_persist=True
    )


def sound(*columns: str) -> str:
    """Return the condition that a row is what its copy says; 0 or 1, never NULL."""
    return current().same.format("copy", f"({quote(*columns)})")


def quote(*columns: str) -> str:
    """Return columns as one text, another one for whatever is in them."""
    return " || '|' || ".join(map(current().quote.format, columns))


def read_fixed() -> tuple[str, ...]:
    """Return the tables and migrations of this database, as texts."""
    engine = current()
    columns = {name: engine.quote.format(name) for name in ("id", "app", "name")}
    statements = engine.schema, _MIGRATIONS.format(joined=engine.joined, **columns)
    return tuple(str(read(statement)[0][0]) for statement in statements if statement)


def find_wrong_table() -> str:
    """Return a table with a row that is not what it was, in words; else nothing."""
    return next(filter(None, map(find_wrong_row, apps.get_models())), "")


def find_wrong_row(model: type[models.Model]) -> str:
    """Return the table of a model, in words, when one of its rows is not what it was."""
    statement = _make_statement(model)
    if statement and read(statement)[0][0]:
        return f"the table {model._meta.db_table}"  # noqa: SLF001 - Django's own name for it
    return ""


def _make_statement(model: type[models.Model]) -> str:
    meta = model._meta  # noqa: SLF001 - Django's own name for it
    fields: list[Any] = [one for one in meta.fields if isinstance(one, models.GeneratedField)]
    for field in fields:
        assert isinstance(field.expression, Copy), "no other columns are generated"
        columns = [column.name for column in field.expression.get_source_expressions()]
        probes = "".join(
            _PROBE.format(table=meta.db_table, column=one.column)
            for one in meta.fields
            if one.unique
        )
        return _WRONG.format(
            table=meta.db_table,
            is_sound=sound(*columns),
            probes=probes,
            unindexed=current().unindexed,
        )
    return ""

"""
Search a ledger or a log for a text, in the database itself and never through all of it (I10).

There is no index on names: each trade would pay for it. A whole key is found by its own index;
anything else by reading backwards through SEARCHED_MAX orders, which takes some ten milliseconds.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import CharField, Max, Q, QuerySet
from django.db.models.functions import Cast

from bazaar.protocol.rows import SEARCHED_MAX, FoundBody, Row


def find_rows(
    entries: QuerySet[Any], fields: Sequence[str], *, text: str, before: int, limit: int
) -> FoundBody:
    """
    Return the newest rows before an order with a text in key or stock, whatever its case.

    entries: all of them, with order_no and key. fields: those of a Row; the second is `key_text`,
    the third the stock's name. before: 0 for the newest of all.
    """
    last = entries.aggregate(last=Max("order_no"))["last"] or 0
    entries = entries.annotate(
        key_text=Cast("key", CharField()), name_text=Cast(fields[2], CharField())
    )
    if key := _read_key(text):
        rows = entries.filter(key=key).values_list(*fields)
        return FoundBody(rows=tuple(Row(*row) for row in rows), first=min(last, 1), last=last)
    end = min(before, last + 1) if before else last + 1
    first = max(end - SEARCHED_MAX, min(last, 1))
    is_wanted = Q(name_text__icontains=text) | Q(key_text__icontains=text.replace("-", "") or text)
    rows = (
        entries.filter(is_wanted, order_no__gte=first, order_no__lt=end)
        .order_by("-order_no")
        .values_list(*fields)[:limit]
    )
    found = tuple(Row(*row) for row in rows)
    if len(found) == limit:
        first = found[-1].order_no
    return FoundBody(rows=found, first=first, last=last)


def _read_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

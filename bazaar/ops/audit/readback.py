"""Read every acknowledged order back through the front ends, and compare (I3)."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from bazaar.client.answers import BadAnswer, ClientError
from bazaar.client.client import Client
from bazaar.client.exchange import Limits
from bazaar.ops.audit.scratch import Scratch
from bazaar.ops.audit.sources import key_text
from bazaar.ops.audit.verdict import Finding, Notes

THREADS = 8
BATCH_ORDERS = 2000
DEADLINE_S = 15.0
"""For one order, with all attempts."""
_ACKNOWLEDGED = """
SELECT order_no, key, trade_type, shares, stock_name, client FROM trade
WHERE outcome = 'ok' GROUP BY order_no ORDER BY order_no
"""


class _Unanswered(Exception):  # noqa: N818 - it is a fact about the world
    """The front ends do not tell."""


def read_back(urls: Sequence[str], scratch: Scratch, notes: Notes) -> None:
    """Note every acknowledged order that the front ends do not show as it was."""
    rows = scratch.select(_ACKNOWLEDGED)
    limits = Limits(deadline_s=DEADLINE_S, silence_s=DEADLINE_S)
    with Client(urls, limits) as client, ThreadPoolExecutor(THREADS) as pool:
        while batch := list(itertools.islice(rows, BATCH_ORDERS)):
            try:
                found = list(pool.map(lambda row: _compare(client, row), batch))
            except _Unanswered as error:
                notes.gaps.append(f"Not every order could be read back: {error}")
                return
            notes.extend(finding for finding in found if finding)
            notes.counts["orders read back"] += len(batch)


def _compare(client: Client, row: tuple[Any, ...]) -> Finding | None:
    """Return what is wrong with one order as it is shown now. Raises _Unanswered."""
    order_no, key, trade_type, shares, name, number = row
    told = (
        f"order {order_no} ({trade_type} {shares} {name}, key {key_text(key)}), "
        f"acknowledged to client {number}"
    )
    try:
        shown = client.order(order_no)
    except ClientError as error:
        if not isinstance(error, BadAnswer) and error.status != HTTPStatus.NOT_FOUND:
            raise _Unanswered(str(error)) from error
        return Finding("I3", "front end", f"{told}, is not shown any more: {error}", order_no)
    if (shown.trade_type, shown.quantity, shown.stock_name) == (trade_type, shares, name):
        return None
    now = f"{shown.trade_type} {shown.quantity} {shown.stock_name}"
    return Finding("I3", "front end", f"{told}, is shown as {now} now", order_no)

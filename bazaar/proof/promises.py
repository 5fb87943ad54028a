"""
Hold what clients were told against the ledger, and against each other (I1, I2, I3, I9).

With a ledger in the scratch database every acknowledged trade must be in it, under its key and its
number, as it was wished; what was definitely refused must not. Without one, the clients' answers
must at least agree among themselves.
"""

from collections.abc import Callable, Iterator

from bazaar.proof.scratch import Scratch
from bazaar.proof.sources import key_text
from bazaar.proof.verdict import Finding, Notes

_WHERE = "history"
_SHARED_NUMBERS = """
SELECT order_no, MIN(key), MAX(key) FROM trade WHERE outcome = 'ok'
GROUP BY order_no HAVING COUNT(DISTINCT key) > 1 ORDER BY order_no
"""
_DOUBLED_KEYS = """
SELECT key, MIN(order_no), MAX(order_no) FROM trade WHERE outcome = 'ok'
GROUP BY key HAVING COUNT(DISTINCT order_no) > 1 ORDER BY MIN(order_no)
"""
_LOST = """
SELECT client, order_no, key, trade_type, shares, stock_name, end_s FROM trade
WHERE outcome = 'ok' AND key NOT IN (SELECT key FROM ledger) ORDER BY order_no
"""
_CHANGED = """
SELECT trade.client, trade.order_no, trade.key, trade.trade_type, trade.shares, trade.stock_name,
    ledger.order_no, ledger.trade_type, ledger.quantity, ledger.stock_name
FROM trade JOIN ledger ON ledger.key = trade.key
WHERE outcome = 'ok' AND (trade.order_no, trade.trade_type, trade.shares, trade.stock_name)
    <> (ledger.order_no, ledger.trade_type, ledger.quantity, ledger.stock_name)
ORDER BY trade.order_no
"""
_REFUSED = """
SELECT trade.client, trade.key, trade.trade_type, trade.shares, trade.stock_name, trade.status,
    ledger.order_no
FROM trade JOIN ledger ON ledger.key = trade.key
WHERE outcome IN ('refused', 'not_found', 'busy') AND status <> 422
    AND trade.key NOT IN (
        SELECT key FROM trade WHERE outcome NOT IN ('refused', 'not_found', 'busy')
    )
ORDER BY ledger.order_no
"""
_SHOWN = """
SELECT sight.client, sight.order_no, sight.start_s,
    sight.trade_type, sight.shares, sight.stock_name, {source}.trade_type, {quantity},
    {source}.stock_name
FROM sight LEFT JOIN {source} ON {source}.order_no = sight.order_no
WHERE sight.outcome = 'ok' AND {condition}
    AND (sight.trade_type, sight.shares, sight.stock_name)
    IS NOT ({source}.trade_type, {quantity}, {source}.stock_name)
ORDER BY sight.order_no
"""
_UNSEEN = """
SELECT sight.client, sight.order_no, sight.start_s, MIN(trade.end_s) AS told_s
FROM sight JOIN trade ON trade.order_no = sight.order_no AND trade.outcome = 'ok'
WHERE sight.outcome = 'not_found' AND trade.end_s < sight.start_s
GROUP BY sight.client, sight.order_no, sight.start_s ORDER BY sight.order_no
"""
_DENIED_STOCKS = """
SELECT client, stock_name, start_s FROM read
WHERE outcome = 'not_found' AND stock_name IN (
    SELECT stock_name FROM opening UNION SELECT name FROM stock
) ORDER BY start_s
"""


def check_promises(scratch: Scratch, notes: Notes, *, has_ledger: bool) -> None:
    """Note every promise that the answers break."""
    for rule in (*_AMONG_CLIENTS, *(_WITH_LEDGER if has_ledger else _WITHOUT_LEDGER)):
        notes.extend(rule(scratch))
    (acknowledged,) = scratch.one("SELECT COUNT(DISTINCT key) FROM trade WHERE outcome = 'ok'")
    notes.counts["trades acknowledged"] = acknowledged


def _find_shared_numbers(scratch: Scratch) -> Iterator[Finding]:
    for order_no, one, other in scratch.select(_SHARED_NUMBERS):
        keys = f"{key_text(one)} and {key_text(other)}"
        message = f"order {order_no} was acknowledged for two trades, with the keys {keys}"
        yield Finding("I1", _WHERE, message, order_no)


def _find_doubled_keys(scratch: Scratch) -> Iterator[Finding]:
    for key, first, last in scratch.select(_DOUBLED_KEYS):
        message = f"key {key_text(key)} was acknowledged as order {first} and as order {last}"
        yield Finding("I2", _WHERE, message, last)


def _find_unseen(scratch: Scratch) -> Iterator[Finding]:
    for client, order_no, asked_s, told_s in scratch.select(_UNSEEN):
        message = (
            f"client {client} was told at {asked_s:.3f} s that there is no order {order_no}, "
            f"which had been acknowledged at {told_s:.3f} s"
        )
        yield Finding("I3", _WHERE, message, order_no)


def _find_denied_stocks(scratch: Scratch) -> Iterator[Finding]:
    for client, name, at_s in scratch.select(_DENIED_STOCKS):
        message = f"client {client} was told at {at_s:.3f} s that there is no stock {name}"
        yield Finding("I9", _WHERE, message)


def _find_lost(scratch: Scratch) -> Iterator[Finding]:
    for client, order_no, key, trade_type, shares, name, at_s in scratch.select(_LOST):
        message = (
            f"order {order_no} ({trade_type} {shares} {name}, key {key_text(key)}), "
            f"acknowledged to client {client}{_at(at_s)}, is lost: the ledger lacks its key"
        )
        yield Finding("I3", _WHERE, message, order_no)


def _find_changed(scratch: Scratch) -> Iterator[Finding]:
    for client, order_no, key, *numbers in scratch.select(_CHANGED):
        trade_type, shares, name, has_no, *has = numbers
        message = (
            f"client {client} was acknowledged order {order_no} ({trade_type} {shares} {name}, "
            f"key {key_text(key)}), but the ledger has this key as order {has_no} ({_trade(has)})"
        )
        yield Finding("I2" if has_no != order_no else "I3", _WHERE, message, order_no)


def _find_refused(scratch: Scratch) -> Iterator[Finding]:
    for client, key, *trade, status, order_no in scratch.select(_REFUSED):
        message = (
            f"client {client} was refused {_trade(trade)} (key {key_text(key)}) with {status}, "
            f"but it happened as order {order_no}"
        )
        yield Finding("I9", _WHERE, message, order_no)


def _find_misshown(scratch: Scratch) -> Iterator[Finding]:
    query = _SHOWN.format(source="ledger", quantity="ledger.quantity", condition="TRUE")
    yield from _misshown(scratch, query, "the ledger has")


def _find_misshown_to_clients(scratch: Scratch) -> Iterator[Finding]:
    query = _SHOWN.format(source="trade", quantity="trade.shares", condition="trade.outcome = 'ok'")
    yield from _misshown(scratch, query, "acknowledged was")


def _misshown(scratch: Scratch, query: str, contrast: str) -> Iterator[Finding]:
    for client, order_no, at_s, *trades in scratch.select(query):
        has = _trade(trades[3:]) if trades[3] else "no such order"
        message = (
            f"client {client} was shown order {order_no} as {_trade(trades[:3])}{_at(at_s)}, "
            f"but {contrast} {has}"
        )
        yield Finding("I1", _WHERE, message, order_no)


def _trade(columns: list[object]) -> str:
    trade_type, shares, name = columns
    return f"{trade_type} {shares} {name}"


def _at(at_s: float | None) -> str:
    return "" if at_s is None else f" at {at_s:.3f} s"


_Rule = Callable[[Scratch], Iterator[Finding]]
_AMONG_CLIENTS: tuple[_Rule, ...] = (
    _find_shared_numbers,
    _find_doubled_keys,
    _find_unseen,
    _find_denied_stocks,
)
_WITH_LEDGER: tuple[_Rule, ...] = (_find_lost, _find_changed, _find_refused, _find_misshown)
_WITHOUT_LEDGER: tuple[_Rule, ...] = (_find_misshown_to_clients,)

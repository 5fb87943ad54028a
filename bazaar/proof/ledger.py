"""
What must hold of the catalog's ledger and stocks, as queries (I1, I2, I4, I5, I6, I7).

The ledger is in the scratch database by now, so each promise is one look through it, in SQL, in the
order of the order numbers.
"""

from collections.abc import Callable, Iterator, Sequence

from bazaar.proof.scratch import Scratch
from bazaar.proof.sources import Leadership, Ledger, Log, key_text
from bazaar.proof.verdict import Finding, Notes

_WHERE = "catalog"
_STEPS = """
SELECT order_no, before FROM (
    SELECT order_no, LAG(order_no, 1, 0) OVER (ORDER BY order_no) AS before FROM ledger
) WHERE order_no <> before + 1 ORDER BY order_no
"""
_KEYS = """
SELECT key, MIN(order_no), MAX(order_no), COUNT(*) FROM ledger
GROUP BY key HAVING COUNT(*) > 1 ORDER BY MIN(order_no)
"""
_IMPOSSIBLE = """
SELECT order_no, trade_type, quantity, stock_name FROM ledger
WHERE trade_type NOT IN ('buy', 'sell') OR typeof(quantity) <> 'integer' OR quantity < 1
    OR typeof(term) <> 'integer' OR typeof(version) <> 'integer'
    OR stock_name NOT IN (SELECT name FROM stock)
ORDER BY order_no
"""
_TERMS = """
SELECT order_no, term, before FROM (
    SELECT order_no, term, LAG(term) OVER (ORDER BY order_no) AS before FROM ledger
) WHERE term < before ORDER BY order_no
"""
_NEWEST_TERM = "SELECT COALESCE(MAX(term), 0) FROM ledger WHERE typeof(term) = 'integer'"
_VERSIONS = """
SELECT order_no, stock_name, version, before_no, before FROM (
    SELECT order_no, stock_name, version,
        LAG(order_no) OVER one AS before_no, LAG(version, 1, 1) OVER one AS before
    FROM ledger WINDOW one AS (PARTITION BY stock_name ORDER BY order_no)
) WHERE version <= before ORDER BY order_no
"""
_SUMS = """
SELECT stock.name, quantity, opening, issued, trade_volume, version,
    COALESCE(bought, 0), COALESCE(sold, 0), COALESCE(trades, 0), newest, stock.last
FROM stock LEFT JOIN (
    SELECT ledger.stock_name, COUNT(*) AS trades, MAX(ledger.version + 0) AS newest,
        SUM(CASE trade_type WHEN 'buy' THEN ledger.quantity ELSE 0 END) AS bought,
        SUM(CASE trade_type WHEN 'sell' THEN ledger.quantity ELSE 0 END) AS sold
    FROM ledger JOIN stock ON stock.name = ledger.stock_name AND ledger.order_no <= stock.last
    GROUP BY ledger.stock_name
) ON stock_name = stock.name
ORDER BY stock.name
"""
_HELD = """
SELECT order_no, stock_name, held, issued FROM (
    SELECT order_no, stock_name, issued, opening + SUM(
        CASE trade_type WHEN 'buy' THEN -ledger.quantity ELSE ledger.quantity END
    ) OVER (PARTITION BY stock_name ORDER BY order_no ROWS UNBOUNDED PRECEDING) AS held
    FROM ledger JOIN stock ON stock.name = ledger.stock_name
) WHERE held NOT BETWEEN 0 AND issued ORDER BY order_no
"""


def check_ledger(scratch: Scratch, notes: Notes) -> None:
    """Note every promise that the ledger and the stocks break."""
    for rule in _RULES:
        notes.extend(rule(scratch))
    (notes.counts["stocks"],) = scratch.one("SELECT COUNT(*) FROM stock")


def check_leaderships(ledger: Ledger, logs: Sequence[Log], scratch: Scratch, notes: Notes) -> None:
    """Note what contradicts the catalog's term (I5, I6). Raises SourceError."""
    leadership = ledger.leadership()
    (newest,) = scratch.one(_NEWEST_TERM)
    if newest > leadership.term:
        message = (
            f"the ledger has orders of term {newest}, but the current term is {leadership.term}"
        )
        notes.find("I5", _WHERE, message)
    leading: dict[int, str] = {}
    for log in logs:
        known = log.leadership()
        for message in _contradictions(known, leadership, leading):
            notes.find("I6", log.name, message)
        if known.is_leading:
            leading[known.term] = log.name


def _contradictions(
    known: Leadership, leadership: Leadership, leading: dict[int, str]
) -> Iterator[str]:
    """Yield what is wrong with the term that a replica knows."""
    if known.term > leadership.term:
        yield f"it has heard of term {known.term}, but the catalog is at term {leadership.term}"
    is_same = known.term == leadership.term and None not in (known.leader, leadership.leader)
    if is_same and known.leader != leadership.leader:
        yield (
            f"it takes replica {known.leader} for the leader of term {known.term}, "
            f"but the catalog has {leadership.leader}"
        )
    if known.is_leading and known.term in leading:
        yield f"it leads term {known.term}, and so does {leading[known.term]}"


def _find_gaps(scratch: Scratch) -> Iterator[Finding]:
    for order_no, before in scratch.select(_STEPS):
        if order_no == before:
            message = f"order {order_no} is in the ledger twice"
        elif order_no == before + 2:
            message = f"order {before + 1} is missing from the ledger, which has order {order_no}"
        else:
            message = (
                f"orders {before + 1} to {order_no - 1} are missing from the ledger, "
                f"which has order {order_no}"
            )
        yield Finding("I1", _WHERE, message, before + 1 if order_no > before else order_no)


def _find_doubled_keys(scratch: Scratch) -> Iterator[Finding]:
    for key, first, last, count in scratch.select(_KEYS):
        message = (
            f"key {key_text(key)} was executed {count} times, as order {first} and order {last}"
        )
        yield Finding("I2", _WHERE, message, last)


def _find_impossible(scratch: Scratch) -> Iterator[Finding]:
    for order_no, trade_type, quantity, stock_name in scratch.select(_IMPOSSIBLE):
        message = f"order {order_no} is no trade that can be: {trade_type} {quantity} {stock_name}"
        yield Finding("I4", _WHERE, message, order_no)


def _find_old_terms(scratch: Scratch) -> Iterator[Finding]:
    for order_no, term, before in scratch.select(_TERMS):
        message = f"order {order_no} is of term {term}, after an order of term {before}"
        yield Finding("I5", _WHERE, message, order_no)


def _find_old_versions(scratch: Scratch) -> Iterator[Finding]:
    for order_no, name, version, before_no, before in scratch.select(_VERSIONS):
        former = f"order {before_no} made" if before_no else "it began with"
        message = f"order {order_no} made version {version} of {name}, but {former} {before}"
        yield Finding("I7", _WHERE, message, order_no)


def _find_wrong_sums(scratch: Scratch) -> Iterator[Finding]:
    for name, *numbers, trades, newest, last in scratch.select(_SUMS):
        if not all(isinstance(one, int) for one in numbers):
            told = f"{name} has a number that is none, among {', '.join(map(repr, numbers))}"
            yield Finding("I4", _WHERE, told)
            continue
        for message in _wrong_sums(numbers, last):
            yield Finding("I4", _WHERE, f"{name} {message}")
        version, made = numbers[4], max(int(newest or 1), 1 + trades)
        if version < made:
            told = f"{name} is at version {version}, but its {trades} trades have made {made}"
            yield Finding("I7", _WHERE, told)


def _wrong_sums(numbers: Sequence[int], last: int) -> Iterator[str]:
    """Yield what is wrong with a stock as of order `last`."""
    quantity, opening, issued, trade_volume, _, bought, sold = numbers
    ledger = f"{bought} were bought and {sold} sold up to order {last}"
    if quantity != opening - bought + sold:
        yield (
            f"has a quantity of {quantity}, but {opening - bought + sold} follows: "
            f"it opened with {opening}, and {ledger}"
        )
    if trade_volume != bought + sold:
        yield f"has a trade volume of {trade_volume}, but {bought + sold} follows: {ledger}"
    if not 0 <= quantity <= issued:
        yield f"has a quantity of {quantity}, which is not from 0 to the {issued} issued"
    if not 0 <= opening <= issued:
        yield f"opened with {opening}, which is not from 0 to the {issued} issued"


def _find_wrong_states(scratch: Scratch) -> Iterator[Finding]:
    for order_no, name, held, issued in scratch.select(_HELD):
        message = (
            f"after order {order_no} the catalog held {held} {name}, "
            f"which is not from 0 to the {issued} issued"
        )
        yield Finding("I4", _WHERE, message, order_no)


_RULES: tuple[Callable[[Scratch], Iterator[Finding]], ...] = (
    _find_gaps,
    _find_doubled_keys,
    _find_impossible,
    _find_old_terms,
    _find_old_versions,
    _find_wrong_sums,
    _find_wrong_states,
)

"""Checks of the catalog's ledger, stocks and term (I1, I2, I4, I5, I6, I7)."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bazaar.proof.audit_database import AuditDatabase, Rule
from bazaar.proof.sources import KnownTerm, LedgerSource, LogSource
from bazaar.proof.verdict import AuditNotes, Finding

_WHERE = "catalog"
_NEWEST_TERM = "SELECT COALESCE(MAX(term), 0) FROM ledger WHERE typeof(term) = 'integer'"
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
_RULES = (
    Rule(
        "I1",
        "order {order_no} is in the ledger twice",
        """
        SELECT order_no FROM (
            SELECT order_no, LAG(order_no, 1, 0) OVER (ORDER BY order_no) AS before FROM ledger
        ) WHERE order_no = before ORDER BY order_no
        """,
    ),
    Rule(
        "I1",
        "{missing} missing from the ledger, which has order {next}",
        """
        SELECT before + 1 AS order_no, next, CASE next - before
            WHEN 2 THEN 'order ' || (before + 1) || ' is'
            ELSE 'orders ' || (before + 1) || ' to ' || (next - 1) || ' are'
        END AS missing FROM (
            SELECT order_no AS next, LAG(order_no, 1, 0) OVER (ORDER BY order_no) AS before
            FROM ledger
        ) WHERE next > before + 1 ORDER BY next
        """,
    ),
    Rule(
        "I2",
        "key {key} was executed {count} times, as order {first} and order {order_no}",
        """
        SELECT key_text(key) AS key, MIN(order_no) AS first, MAX(order_no) AS order_no,
            COUNT(*) AS count
        FROM ledger GROUP BY ledger.key HAVING COUNT(*) > 1 ORDER BY first
        """,
    ),
    Rule(
        "I4",
        "order {order_no} is no trade that can be: {trade_type} {quantity} {stock_name}",
        """
        SELECT order_no, trade_type, quantity, stock_name FROM ledger
        WHERE trade_type NOT IN ('buy', 'sell') OR typeof(quantity) <> 'integer' OR quantity < 1
            OR typeof(term) <> 'integer' OR typeof(version) <> 'integer'
            OR stock_name NOT IN (SELECT name FROM stock)
        ORDER BY order_no
        """,
    ),
    Rule(
        "I5",
        "order {order_no} is of term {term}, after an order of term {before}",
        """
        SELECT order_no, term, before FROM (
            SELECT order_no, term, LAG(term) OVER (ORDER BY order_no) AS before FROM ledger
        ) WHERE term < before ORDER BY order_no
        """,
    ),
    Rule(
        "I7",
        "order {order_no} made version {version} of {stock_name}, but {former} {before}",
        """
        SELECT order_no, stock_name, version, before,
            COALESCE('order ' || before_no || ' made', 'it began with') AS former
        FROM (
            SELECT order_no, stock_name, version,
                LAG(order_no) OVER one AS before_no, LAG(version, 1, 1) OVER one AS before
            FROM ledger WINDOW one AS (PARTITION BY stock_name ORDER BY order_no)
        ) WHERE version <= before ORDER BY order_no
        """,
    ),
)
_HELD = Rule(
    "I4",
    "after order {order_no} the catalog held {held} {stock_name}, "
    "which is not from 0 to the {issued} issued",
    """
    SELECT order_no, stock_name, held, issued FROM (
        SELECT order_no, stock_name, issued, opening + SUM(
            CASE trade_type WHEN 'buy' THEN -ledger.quantity ELSE ledger.quantity END
        ) OVER (PARTITION BY stock_name ORDER BY order_no ROWS UNBOUNDED PRECEDING) AS held
        FROM ledger JOIN stock ON stock.name = ledger.stock_name
    ) WHERE held NOT BETWEEN 0 AND issued ORDER BY order_no
    """,
)


_LISTED = """
SELECT stock.name, stock.price, stock.opening, stock.issued, change.price, change.opening,
    change.issued, change.position
FROM stock LEFT JOIN change ON change.stock_name = stock.name AND change.version = (
    SELECT MAX(version) FROM change WHERE stock_name = stock.name AND version <= stock.version
)
ORDER BY stock.name
"""


def check_ledger(database: AuditDatabase, notes: AuditNotes) -> None:
    """Note every promise that the ledger and the stocks break."""
    notes.extend(database.find(_WHERE, _RULES))
    notes.extend(_find_wrong_sums(database))
    notes.extend(_find_wrong_listings(database))
    notes.extend(database.find(_WHERE, (_HELD,)))
    (notes.counts["stocks"],) = database.one("SELECT COUNT(*) FROM stock")


def _find_wrong_sums(database: AuditDatabase) -> Iterator[Finding]:
    for name, *numbers, trades, newest, last in database.select(_SUMS):
        if not all(isinstance(one, int) for one in numbers):
            shown = ", ".join(map(repr, numbers))
            yield Finding("I4", _WHERE, f"{name} has a number that is none, among {shown}")
            continue
        for message in _wrong_sums(numbers, last):
            yield Finding("I4", _WHERE, f"{name} {message}")
        version, made = numbers[4], max(int(newest or 1), 1 + trades)
        if version < made:
            message = f"{name} is at version {version}, but its {trades} trades have made {made}"
            yield Finding("I7", _WHERE, message)


def _find_wrong_listings(database: AuditDatabase) -> Iterator[Finding]:
    """Yield the stocks that are not as the newest of their changes says (I11)."""
    if database.one("SELECT COUNT(*) FROM change") == (0,):  # of a version without them
        return
    for name, price, opening, issued, *last in database.select(_LISTED):
        if last[0] is None:
            yield Finding("I11", _WHERE, f"{name} is not listed in the ledger")
        elif (Decimal(str(price)), opening, issued) != (Decimal(last[0]), last[1], last[2]):
            found = f"a price of {price}, an opening of {opening}, {issued} issued"
            wanted = f"entry {last[3]} says {last[0]}, {last[1]} and {last[2]}"
            yield Finding("I11", _WHERE, f"{name} has {found}, but {wanted}")


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


def check_terms(
    ledger: LedgerSource, logs: Sequence[LogSource], database: AuditDatabase, notes: AuditNotes
) -> None:
    """Note what contradicts the catalog's term (I5, I6)."""
    current = ledger.known_term
    (newest,) = database.one(_NEWEST_TERM)
    if newest > current.term:
        message = f"the ledger has orders of term {newest}, but the current term is {current.term}"
        notes.find("I5", _WHERE, message)
    leading: dict[int, str] = {}
    for log in logs:
        known = log.known_term
        for message in _contradictions(known, current, leading):
            notes.find("I6", log.name, message)
        if known.is_leading:
            leading[known.term] = log.name


def _contradictions(known: KnownTerm, current: KnownTerm, leading: dict[int, str]) -> Iterator[str]:
    """Yield what is wrong with the term that a replica knows."""
    if known.term > current.term:
        yield f"it has heard of term {known.term}, but the catalog is at term {current.term}"
    is_same = known.term == current.term and None not in (known.leader, current.leader)
    if is_same and known.leader != current.leader:
        yield (
            f"it takes replica {known.leader} for the leader of term {known.term}, "
            f"but the catalog has {current.leader}"
        )
    if known.is_leading and known.term in leading:
        yield f"it leads term {known.term}, and so does {leading[known.term]}"

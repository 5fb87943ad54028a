"""Read every acknowledged order back through the front ends, and compare."""

from collections.abc import Iterator, Sequence

import uvloop

from bazaar import clock
from bazaar.client.client_dialects import CLIENT_DIALECTS, SEED, ClientDialect
from bazaar.loadtest.engine import Engine
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.scripts import Claim
from bazaar.loadtest.workload import Answer, Operation, look_up
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.records import Done
from bazaar.proof.sources import key_text
from bazaar.proof.verdict import AuditNotes, Finding
from bazaar.protocol.tls import find_ca

CLIENTS = 16
DEADLINE_S = 15.0
"""For one order, with all attempts."""
UNANSWERED_MAX = CLIENTS
"""Orders without an answer after which no more are asked for."""
BATCH_ORDERS = 5000
_ACKNOWLEDGED = """
SELECT DISTINCT order_no FROM trade WHERE outcome = 'ok' AND order_no > ?
ORDER BY order_no LIMIT ?
"""
_DIFFERENT = """
SELECT trade.order_no, trade.key, trade.client, trade.trade_type, trade.shares, trade.stock_name,
    back.outcome, back.status, back.trade_type, back.shares, back.stock_name
FROM trade JOIN back ON back.order_no = trade.order_no
WHERE trade.outcome = 'ok' AND back.outcome <> 'unreachable' AND (back.outcome <> 'ok'
    OR (trade.trade_type, trade.shares, trade.stock_name)
    <> (back.trade_type, back.shares, back.stock_name))
ORDER BY trade.order_no
"""


def read_back(
    urls: Sequence[str],
    scratch: AuditDatabase,
    notes: AuditNotes,
    deadline_s: float = DEADLINE_S,
    dialect_name: str = SEED.name,
    token: str | None = None,
) -> None:
    """Note every acknowledged order that the front ends show differently (I3)."""
    reader = _Reader(scratch, CLIENT_DIALECTS[dialect_name])
    plan = Plan(
        urls=tuple(urls),
        dialect_name=dialect_name,
        token=token,
        ca_path=find_ca(),
        clients=CLIENTS,
        is_fresh=True,
        deadline_s=deadline_s,
    )
    uvloop.run(reader.run(plan))
    notes.counts["orders read back"] = reader.answered
    if reader.unanswered:
        (wanted,) = scratch.one("SELECT COUNT(DISTINCT order_no) FROM trade WHERE outcome = 'ok'")
        notes.gaps.append(
            f"{wanted - reader.answered:,} of {wanted:,} acknowledged orders could not be read "
            f"back: no front end of {', '.join(urls)} tells."
        )
    notes.extend(_differences(scratch))


class _Reader:
    """The script of the look-ups, and what they came to."""

    def __init__(self, scratch: AuditDatabase, dialect: ClientDialect) -> None:
        self._scratch, self._dialect = scratch, dialect
        self._coming = self._list_numbers()
        self._shown: list[tuple[object, ...]] = []
        self.answered = self.unanswered = 0

    async def run(self, plan: Plan) -> None:
        """Look all orders up."""
        engine = Engine(plan, self, self._note)
        await engine.run(range(CLIENTS), clock.monotonic_s())
        self._save()

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next look-up."""
        del client
        if self.unanswered >= UNANSWERED_MAX:
            return None
        order_no = next(self._coming, None)
        if order_no is None:
            return None
        return now_s, look_up(self._dialect, order_no, is_fresh=True)

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Learn nothing: every order is looked up whatever the others were."""

    def count_unsent(self) -> int:
        """Return 0: none is due at a set time."""
        return 0

    def _list_numbers(self) -> Iterator[int]:
        after = 0
        while rows := list(self._scratch.select(_ACKNOWLEDGED, after, BATCH_ORDERS)):
            yield from (order_no for (order_no,) in rows)
            (after,) = rows[-1]

    def _note(self, done: Done, end_s: float) -> None:
        del end_s
        is_answered = done.outcome in ("ok", "not_found", "malformed")
        self.answered += is_answered
        self.unanswered += not is_answered
        outcome = done.outcome if is_answered else "unreachable"
        shown = (done.stock_name, done.trade_type, done.shares)
        self._shown.append((done.order_no, outcome, done.status, *shown))
        if len(self._shown) >= BATCH_ORDERS:
            self._save()

    def _save(self) -> None:
        self._scratch.insert("back", self._shown)
        self._shown.clear()


def _differences(scratch: AuditDatabase) -> Iterator[Finding]:
    for order_no, key, client, *columns in scratch.select(_DIFFERENT):
        trade_type, shares, name, outcome, status, *shown = columns
        now = "is shown as {} {} {} now".format(*shown)
        if outcome != "ok":
            now = f"is not shown any more (status {status})"
        message = (
            f"order {order_no} ({trade_type} {shares} {name}, key {key_text(key)}), "
            f"acknowledged to client {client}, {now}"
        )
        yield Finding("I3", "front end", message, order_no)

"""Read every acknowledged order back through the front ends, and compare."""

from collections.abc import Iterator

import uvloop

from bazaar import clock
from bazaar.loadtest.engine import Engine
from bazaar.loadtest.plan import FrontEndAccess, Plan
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
    access: FrontEndAccess,
    scratch: AuditDatabase,
    notes: AuditNotes,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Note every acknowledged order that the front ends show differently (I3)."""
    plan = Plan(
        urls=access.urls,
        dialect_name=access.dialect_name,
        token=access.token,
        ca_path=find_ca(),
        clients=CLIENTS,
        is_fresh=True,
        deadline_s=deadline_s,
    )
    reader = _Reader(scratch, plan)
    uvloop.run(reader.run())
    notes.counts["orders read back"] = reader.answered
    if reader.unanswered:
        (wanted,) = scratch.one("SELECT COUNT(DISTINCT order_no) FROM trade WHERE outcome = 'ok'")
        notes.gaps.append(
            f"{wanted - reader.answered:,} of {wanted:,} acknowledged orders could not be read "
            f"back: no front end of {', '.join(plan.urls)} tells."
        )
    notes.extend(_differences(scratch))


class _Reader:
    """The script of the look-ups, and what they came to."""

    def __init__(self, scratch: AuditDatabase, plan: Plan) -> None:
        self._scratch, self._plan = scratch, plan
        self._coming = self._list_numbers()
        self._shown: list[tuple[object, ...]] = []
        self.answered = self.unanswered = 0

    async def run(self) -> None:
        """Look all orders up."""
        engine = Engine(self._plan, self, self._note)
        await engine.run(range(self._plan.clients), clock.monotonic_s())
        self._save()

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next look-up."""
        del client
        if self.unanswered >= UNANSWERED_MAX:
            return None
        order_no = next(self._coming, None)
        if order_no is None:
            return None
        return now_s, look_up(self._plan.dialect, order_no, is_fresh=True)

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

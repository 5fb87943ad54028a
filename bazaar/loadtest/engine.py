"""
The clients of one load process, each with one operation at a time.

An operation is a question of `bazaar.client.exchange`: that flow says when to send what to whom,
when to try again and when to stop; a `LoadClient` does as it is told and notes how it ended.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from bazaar import clock
from bazaar.client import exchange
from bazaar.client.answers import BadAnswer, ClientError, Indefinite, Refused, StockAnswer
from bazaar.client.exchange import Attempt, AttemptFailed, Pause, Steps, Timeouts
from bazaar.loadtest.driver import Address, LoadConnection, Turns, make_encode
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.scripts import Script
from bazaar.loadtest.ticker import Ticker
from bazaar.loadtest.workload import Answer, Operation
from bazaar.proof.records import Done, Outcome
from bazaar.protocol.http1 import Reply

SWEEP_S = 0.02
"""Between two looks for attempts that take too long."""
EARLY_S = 0.0002
"""An operation due within this time is begun at once."""
OnDone = Callable[[Done, float], None]
"""Called with every operation, and when it ended in seconds of the run."""
_REFUSALS: dict[str, Outcome] = {
    "insufficient_quantity": "refused",
    "overstock": "refused",
    "unknown_stock": "not_found",
    "unknown_order": "not_found",
    "token_required": "denied",
    "token_refused": "denied",
    "access_denied": "denied",
}
"""What a Bazaar-Failure means; any other refusal is no answer to a question as we ask them."""


class Engine:
    """The clients of one process, and what they share."""

    def __init__(self, plan: Plan, script: Script, on_done: OnDone) -> None:
        """Made within a running event loop."""
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._fail)
        self.addresses = [Address(url, plan.ca_path) for url in plan.urls]
        self.encode = make_encode(self.addresses, plan.token)
        self.limits = Timeouts(deadline_s=plan.deadline_s, silence_s=plan.deadline_s)
        self.is_closed, self.warmup_s = plan.is_closed, plan.warmup_s
        self.script, self.on_done = script, on_done
        self.turns, self.ticker = Turns(self.loop), Ticker(self.loop)
        self.origin_s = 0.0
        self.is_stopping = False
        self.connecting: set[asyncio.Task[None]] = set()
        self._clients: list[LoadClient] = []
        self._over: asyncio.Future[None] = self.loop.create_future()
        self._busy = 0

    async def run(self, numbers: range, origin_s: float) -> None:
        """Let these clients do what the script says, until the last has ended."""
        self.origin_s = origin_s
        self._clients = [LoadClient(self, number) for number in numbers]
        self._busy = len(self._clients)
        self.ticker.at(origin_s, self._begin)
        sweep = asyncio.create_task(self._sweep())
        try:
            if self._clients:
                await self._over
        finally:
            sweep.cancel()
            self.ticker.close()
            for client in self._clients:
                client.close()

    def stop(self, drain_s: float) -> None:
        """Begin nothing more; give up what is under way after a while."""
        self.is_stopping = True
        self.loop.call_later(drain_s, self._give_up)

    def count_ended(self) -> None:
        """Take in that one more client has nothing to do any more."""
        self._busy -= 1
        if self._busy == 0 and not self._over.done():
            self._over.set_result(None)

    def _fail(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End on a mistake in a callback, which would leave a client waiting."""
        if not self._over.done():
            self._over.set_exception(
                context.get("exception") or RuntimeError(str(context["message"]))
            )

    def _begin(self) -> None:
        for client in self._clients:
            client.claim()

    def _give_up(self) -> None:
        for client in self._clients:
            client.give_up()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = clock.monotonic_s()
            for client in self._clients:
                client.check_time(now_s)


class LoadClient:
    """One client: claims an operation, does it, and claims the next."""

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine, self.number = engine, number
        self._connections: list[LoadConnection | None] = [None] * len(engine.addresses)
        self._url = number % len(engine.addresses)
        self._steps: Steps[Any] | None = None
        self._operation: Operation | None = None
        self._due_s = self._ended_s = 0.0
        self._sent_s: float | None = None
        self._attempts = 0
        self._status: int | None = None
        self._timeout_at_s: float | None = None
        self._attempt = 0
        self._is_ended = False

    def close(self) -> None:
        """End the connections."""
        for connection in self._connections:
            if connection is not None:
                connection.abort()

    # One operation after the other

    def claim(self) -> None:
        """Begin the next operation, when it is due."""
        engine = self._engine
        now_s = clock.monotonic_s() - engine.origin_s
        claim = None if engine.is_stopping else engine.script.claim(self.number, now_s)
        if claim is None:
            self._end()
            return
        self._due_s, operation = claim
        if self._due_s - now_s <= EARLY_S:
            self._begin(operation)
        else:
            engine.ticker.at(engine.origin_s + self._due_s, partial(self._begin, operation))

    def _end(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._engine.count_ended()

    def _begin(self, operation: Operation) -> None:
        if self._engine.is_stopping:
            self._end()
            return
        engine = self._engine
        self._operation, self._attempts, self._status, self._sent_s = operation, 0, None, None
        self._steps = exchange.attempts(
            operation.question,
            engine.limits,
            clock.monotonic_s,
            urls=len(engine.addresses),
            first=self._url,
        )
        self._advance(partial(next, self._steps))

    def _advance(self, step: Callable[[], Attempt | Pause]) -> None:
        """Resume the call; do what it asks for, or note how it ended."""
        self._timeout_at_s = None
        try:
            effect = step()
        except StopIteration as end:
            self._finish("ok", end.value)
        except ClientError as error:
            self._finish(outcome_of(error), None)
        else:
            self._do(effect)

    def _do(self, effect: Attempt | Pause) -> None:
        self._attempt += 1
        if isinstance(effect, Pause):
            self._engine.loop.call_later(effect.seconds, self._resume, self._attempt)
            return
        self._attempts += 1
        self._url = effect.url
        self._timeout_at_s = clock.monotonic_s() + effect.timeout_s
        connection = self._connections[effect.url]
        if connection is not None and connection.is_open:
            self._send(connection, effect)
            return
        if self._sent_s is None:  # connecting is part of it
            self._sent_s = clock.monotonic_s()
        task = asyncio.create_task(self._connect(effect, self._attempt))
        self._engine.connecting.add(task)
        task.add_done_callback(self._engine.connecting.discard)

    async def _connect(self, call: Attempt, attempt: int) -> None:
        engine = self._engine
        try:
            connection = await engine.addresses[call.url].connect(engine.turns, call.timeout_s)
        except AttemptFailed as lost:
            if attempt == self._attempt:
                self.on_lost(lost)
            return
        if attempt == self._attempt:
            self._connections[call.url] = connection
            self._send(connection, call)
        else:
            connection.abort()

    def _send(self, connection: LoadConnection, call: Attempt) -> None:
        connection.ask(self._engine.encode(call.url, call.request), self)

    def _resume(self, attempt: int) -> None:
        """Go on after a pause, unless it was given up meanwhile."""
        if attempt == self._attempt and self._steps is not None:
            self._advance(partial(self._steps.send, None))

    # What comes back

    def on_reply(self, reply: Reply, at_s: float) -> None:
        """Take an answer."""
        self._note_sent()
        self._ended_s, self._status = at_s, reply.status
        assert self._steps is not None, "an answer belongs to a question"
        self._advance(partial(self._steps.send, reply))

    def on_lost(self, lost: AttemptFailed) -> None:
        """Take in that an attempt has failed."""
        self._note_sent()
        self._ended_s = clock.monotonic_s()
        assert self._steps is not None, "an attempt belongs to a question"
        self._advance(partial(self._steps.throw, lost))

    def check_time(self, now_s: float) -> None:
        """End an attempt that takes too long."""
        if self._timeout_at_s is None or now_s < self._timeout_at_s:
            return
        connection = self._connections[self._url]
        was_sent = connection is not None and connection.is_open
        if connection is not None:
            connection.abort()
        self._attempt += 1
        url = self._engine.addresses[self._url].url
        self.on_lost(AttemptFailed(f"{url} did not answer in time.", was_sent=was_sent))

    def give_up(self) -> None:
        """End what is under way without an answer."""
        self._attempt += 1
        if self._steps is None:
            self._end()
            return
        self._note_sent()
        self._steps.close()
        self.close()
        self._timeout_at_s, self._ended_s = None, clock.monotonic_s()
        self._finish("indefinite", None, is_answered=False)

    def _note_sent(self) -> None:
        """Take down when the first attempt was sent."""
        connection = self._connections[self._url]
        if self._sent_s is None and connection is not None:
            self._sent_s = connection.sent_s

    def _finish(self, outcome: Outcome, answer: Answer | None, *, is_answered: bool = True) -> None:
        """Note how the operation ended, and claim the next."""
        engine, operation = self._engine, self._operation
        assert operation is not None, "a client that ends has an operation"
        self._steps = self._operation = None
        sent_s = (self._ended_s if self._sent_s is None else self._sent_s) - engine.origin_s
        end_s = self._ended_s - engine.origin_s
        due_s = sent_s if engine.is_closed else self._due_s
        done = Done(
            client=self.number,
            kind=operation.kind,
            url=self._url,
            intended_s=round(due_s, 6),
            sent_s=round(sent_s, 6),
            done_s=round(end_s, 6) if is_answered else None,
            outcome=outcome,
            status=self._status,
            attempts=self._attempts,
            is_warmup=due_s < engine.warmup_s,
            **_shown(operation, answer),
        )
        engine.on_done(done, end_s)
        engine.script.learn(self.number, answer, operation)
        self.claim()


def outcome_of(error: ClientError) -> Outcome:
    """Return in one word how a question ended that has no answer."""
    match error:
        case Indefinite():
            return "indefinite"
        case BadAnswer():
            return "malformed"
        case Refused(status=HTTPStatus.TOO_MANY_REQUESTS):
            return "busy"
        case Refused(status=int() as status) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _REFUSALS.get(error.failure, "malformed")
    return "unreachable"


def _shown(operation: Operation, answer: Answer | None) -> dict[str, Any]:
    """Return what an operation was about and what was shown, as fields of a record."""
    if isinstance(answer, StockAnswer):
        return {
            "stock_name": answer.name,
            "version": answer.version,
            "price": str(answer.price),
            "quantity": answer.quantity,
            "trade_volume": answer.trade_volume,
            "is_stale": answer.is_stale,
            "cache": answer.cache,
        }
    if operation.kind == "order" and answer is not None:
        return {
            "order_no": answer.order_no,
            "stock_name": answer.stock_name,
            "trade_type": answer.trade_type.value,
            "shares": answer.quantity,
        }
    return {
        "stock_name": operation.stock_name,
        "key": operation.question.key or None,
        "trade_type": operation.trade_type and operation.trade_type.value,
        "shares": operation.shares,
        "order_no": answer.order_no if answer is not None else operation.order_no,
    }

"""Answers as a front end gives them, and a driver without network or time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from bazaar.client.exchange import ApiCall, Attempt, AttemptFailed, Pause, Timeouts, attempts
from bazaar.protocol.http1 import Reply

KEY = UUID("6c3b9d52-2b7e-4f61-8a3e-0f6f0f5f1a01")
STOCK_HEADERS = {"etag": '"7"', "age": "3", "cache-status": "bazaar; hit"}
T = TypeVar("T")
Fate = Reply | AttemptFailed


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """Return an answer; headers are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, named, content)


def placed(order_no: int) -> Reply:
    """Return the answer to a trade under KEY."""
    return reply({"order_no": order_no}, idempotency_key=str(KEY))


def shown_stock(**changes: Any) -> Reply:
    """Return the answer to a question for 3M; None leaves a field or a header out."""
    body = {"stock_name": "3M", "price": 63.08, "trade_volume": 0, "quantity": 9}
    headers: dict[str, Any] = dict(STOCK_HEADERS)
    for name, value in changes.items():
        part = body if name in body or name == "stale" else headers
        part[name.replace("_", "-") if part is headers else name] = value
    return Reply(
        200,
        {name: value for name, value in headers.items() if value is not None},
        json.dumps({name: value for name, value in body.items() if value is not None}).encode(),
    )


def refusal(status: int, failure: str = "", *, definite: str | None = "true", **more: str) -> Reply:
    """Return a failed trade as a front end answers it."""
    headers = {"bazaar_definite": definite, "bazaar_failure": failure or None, **more}
    told = {name: value for name, value in headers.items() if value is not None}
    return reply({"order_no": -1, "message": f"It is {status}."}, status, **told)


def lost(*, was_sent: bool) -> AttemptFailed:
    """Return an attempt that got no answer."""
    return AttemptFailed("Nobody answered.", was_sent=was_sent)


@dataclass
class Driver:
    """Drives a question; every attempt meets the next fate, and time passes only in here."""

    fates: Sequence[Fate]
    attempt_s: float = 0.0
    """How long each attempt takes."""
    now_s: float = 100.0
    calls: list[Attempt] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def ask(self, question: ApiCall[T], limits: Timeouts | None = None, **options: Any) -> T:
        """Return the answer. Raises ClientError."""
        steps = attempts(question, limits or Timeouts(), lambda: self.now_s, **options)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    assert step.seconds > 0
                    self.pauses.append(step.seconds)
                    self.now_s += step.seconds
                    step = steps.send(None)
                    continue
                self.calls.append(step)
                self.now_s += self.attempt_s
                fate = self.fates[min(len(self.calls), len(self.fates)) - 1]
                step = steps.throw(fate) if isinstance(fate, AttemptFailed) else steps.send(fate)
        except StopIteration as end:
            answer: T = end.value
            return answer

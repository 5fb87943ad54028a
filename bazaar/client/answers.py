"""Answers of a front end as frozen values, and errors (docs/DESIGN.md 6, I9)."""

from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from bazaar.core.types import TradeType

Number = Annotated[int, msgspec.Meta(ge=1)]


class StockAnswer(msgspec.Struct, frozen=True):
    """A stock as a front end showed it; quantities in shares."""

    name: str
    price: Decimal
    quantity: int
    trade_volume: int | None
    """None: the course's dialect does not show it."""
    version: int
    age_s: int
    """How long the front end has had it in its cache, in whole seconds."""
    is_stale: bool
    """Whether the answer says that it may be old."""
    cache: str
    """hit, miss, shared (one miss for several readers), request, bypass, stale; or unknown."""


class OrderAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order: one that was placed, or one that was looked up."""

    order_no: Number
    stock_name: str
    trade_type: TradeType
    quantity: Number
    idempotency_key: UUID | None = None
    """Of the trade; only v1 shows it, and the next one."""
    placed_by: str | None = None
    """The name of the access token that the trade was placed with; None: there was none."""


class StockPage(msgspec.Struct, frozen=True):
    """A page of the list of stocks."""

    stocks: tuple[StockAnswer, ...]
    next_cursor: str | None
    """Of the next page; None: there are no more."""


class OrderPage(msgspec.Struct, frozen=True):
    """A page of the list of orders, the newest first."""

    orders: tuple[OrderAnswer, ...]
    next_cursor: str | None
    """Of the next page, which there may be even if this one is empty."""


class LeaderAnswer(msgspec.Struct, frozen=True):
    """The leader that a front end knows."""

    leader: Number
    """The served port of the leader."""
    id: Number
    term: Number


class ReplicaAnswer(msgspec.Struct, frozen=True):
    """An order replica as a front end shows it."""

    replica_id: Number
    port: Number
    is_alive: bool
    is_leader: bool
    in_sync: bool | None
    """Whether every acknowledged order waits for it; None: nobody can tell."""


class ClusterAnswer(msgspec.Struct, frozen=True):
    """The order replicas, and which of them leads; None: none does now."""

    leader: Number | None
    term: int
    replicas: tuple[ReplicaAnswer, ...]


class ClientError(Exception):
    """
    A call ended without an answer; the message is one sentence.

    status: of the last answer, None when none came. failure: its Bazaar-Failure, "" without one.
    key: the trade's idempotency key, "" for a read. is_definite: surely nothing happened.
    retry_s: seconds after which another attempt may help; None when none would. problem: the
    address of a page that explains it, "" without one; a `Client` makes it whole.
    """

    is_definite: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        failure: str = "",
        key: str = "",
        retry_s: float | None = None,
        problem: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.failure = message, status, failure
        self.key, self.retry_s, self.problem = key, retry_s, problem


class Refused(ClientError):  # noqa: N818 - these are answers, not accidents
    """The front end refused; nothing happened (definite)."""


class NoAnswer(ClientError):  # noqa: N818
    """No front end could answer, and nothing can have happened (definite)."""


class Indefinite(ClientError):  # noqa: N818
    """The trade may have happened; repeating it with its key is safe and shows which."""

    is_definite = False


class BadAnswer(ClientError):  # noqa: N818
    """The reply is no answer of a front end; a trade may have happened (indefinite)."""

    is_definite = False

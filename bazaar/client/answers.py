"""What a front end answers, as frozen values, and what goes wrong, as errors (DESIGN 6, I9)."""

from decimal import Decimal
from typing import ClassVar

import msgspec

from bazaar.core.types import TradeType


class Stock(msgspec.Struct, frozen=True):
    """One stock as a front end showed it; quantities in shares."""

    name: str
    price: Decimal
    quantity: int
    trade_volume: int
    version: int
    age_s: int
    """For how long the front end has known it, in whole seconds."""
    is_stale: bool
    """Whether it says of itself that it may be old."""
    cache: str
    """hit, miss, shared (a miss of several readers), request, bypass, stale; or unknown."""


class Order(msgspec.Struct, frozen=True):
    """One order: what was placed, and what is shown of it."""

    order_no: int
    stock_name: str
    trade_type: TradeType
    quantity: int


class Leadership(msgspec.Struct, frozen=True):
    """Who leads, as far as a front end knows."""

    leader: int
    """The served port of the leader."""
    id: int
    term: int


class ClientError(Exception):
    """
    The base of all that a request can end with but an answer; the message is one sentence.

    status: of the last answer, None when none came. failure: its Bazaar-Failure, "" without one.
    key: the trade's idempotency key, "" of a read. is_definite: surely nothing happened.
    retry_s: seconds after which another attempt may help; None when none would.
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
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.failure = message, status, failure
        self.key, self.retry_s = key, retry_s


class Refused(ClientError):  # noqa: N818 - these are answers, not accidents
    """The front end said no; nothing happened (definite)."""


class Unreachable(ClientError):  # noqa: N818
    """Nobody answered, or nobody who knew, and nothing can have happened (definite)."""


class Indefinite(ClientError):  # noqa: N818
    """The trade may have happened: repeating it with its key tells, and makes it happen if not."""

    is_definite = False


class BadAnswer(ClientError):  # noqa: N818
    """What came is no answer of a front end; a trade may have happened (indefinite)."""

    is_definite = False

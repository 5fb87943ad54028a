"""
The dialects as a client speaks them, a table (docs/adr/0037 has the server's).

A row says where a question goes, what a trade's fields are called, and how the body of an answer
becomes a value. What an answer means, and what is compared with the question, is the same for all
of them (`reading`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct, ValidationError, json
from msgspec import field as named

from bazaar.client.answers import ClusterAnswer, LeaderAnswer, Number, OrderAnswer
from bazaar.core.types import TradeType

Count = Annotated[int, Meta(ge=0)]
T = TypeVar("T")


class ShownStock(Struct, kw_only=True):
    """A stock as any dialect shows it; None: this dialect does not."""

    stock_name: str
    price: Decimal
    quantity: Count
    trade_volume: Count | None = None
    version: Count | None = None
    stale: bool = False

    def is_complete(self, dialect: "ClientDialect") -> bool:
        """Tell whether all is there that this dialect shows."""
        return all(getattr(self, name) is not None for name in dialect.stock_numbers)


class _CourseStock(ShownStock, kw_only=True):
    """The same by the course's names."""

    stock_name: str = named(name="name")


class _CourseOrder(Struct):
    number: Number
    name: str
    type: TradeType
    quantity: Number


class _Placed(Struct):
    order_no: Number


class _CoursePlaced(Struct):
    transaction_number: Number


class _Data(Struct, Generic[T]):
    data: T


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClientDialect:
    """
    One way to ask and to read answers.

    Its functions to decode raise MsgspecError, UnicodeDecodeError: it is none of a front end.
    """

    name: str
    stock_target: str
    """The encoded name of the stock follows."""
    order_target: str
    """The number of the order follows."""
    trade_target: str
    trade_fields: tuple[str, str, str]
    """What stock, type and quantity of a trade are called."""
    decode_stock: Callable[[bytes], ShownStock]
    stock_numbers: tuple[str, ...]
    """What a stock shows beside its name, price and quantity."""
    decode_order: Callable[[bytes], OrderAnswer]
    decode_placed: Callable[[bytes], OrderAnswer | int]
    """The whole order, or its number only."""
    placed_status: HTTPStatus = HTTPStatus.OK
    leader_target: str = "/leader"
    decode_leader: Callable[[bytes], LeaderAnswer | None] = field(
        default=json.Decoder(LeaderAnswer).decode
    )
    """None: there is no leader now."""
    tag: re.Pattern[str]
    """An `ETag`; its group is the version."""


def _make_tag(suffix: str) -> re.Pattern[str]:
    """Return the pattern of tags; a proxy that packs answers makes them weak ones."""
    return re.compile(rf'(?:W/)?"([0-9]{{1,19}}){suffix}"')


def _read_data(kind: Any) -> Callable[[bytes], Any]:
    """Return what reads a value that is wrapped in `data`."""
    decode = json.Decoder(_Data[kind]).decode
    return lambda content: decode(content).data


def _make_order(decode: Callable[[bytes], _CourseOrder]) -> Callable[[bytes], OrderAnswer]:
    def read(content: bytes) -> OrderAnswer:
        shown = decode(content)
        return OrderAnswer(shown.number, shown.name, shown.type, shown.quantity)

    return read


def _read_leader(content: bytes) -> LeaderAnswer | None:
    """Return the leader of v1's view of the cluster."""
    cluster = decode_cluster(content)
    if cluster.leader is None:
        return None
    for one in cluster.replicas:
        if one.replica_id == cluster.leader:
            return LeaderAnswer(one.port, one.replica_id, cluster.term)
    raise ValidationError(f"replica {cluster.leader} leads and is not shown")


decode_cluster = json.Decoder(ClusterAnswer).decode
_decode_placed = json.Decoder(_Placed).decode
_read_course_placed = _read_data(_CoursePlaced)

SEED = ClientDialect(
    name="seed",
    stock_target="/stocks?stock_name=",
    order_target="/orders?order_no=",
    trade_target="/orders",
    trade_fields=("stock_name", "trade_type", "quantity"),
    decode_stock=json.Decoder(ShownStock).decode,
    stock_numbers=("trade_volume",),
    decode_order=_read_data(OrderAnswer),
    decode_placed=lambda content: _decode_placed(content).order_no,
    tag=_make_tag(""),
)
COURSE = ClientDialect(
    name="course",
    stock_target="/stocks/",
    order_target="/orders/",
    trade_target="/orders",
    trade_fields=("name", "type", "quantity"),
    decode_stock=_read_data(_CourseStock),
    stock_numbers=(),
    decode_order=_make_order(_read_data(_CourseOrder)),
    decode_placed=lambda content: _read_course_placed(content).transaction_number,
    tag=_make_tag("-course"),
)
V1 = ClientDialect(
    name="v1",
    stock_target="/api/v1/stocks/",
    order_target="/api/v1/orders/",
    trade_target="/api/v1/orders",
    trade_fields=("stock_name", "trade_type", "quantity"),
    decode_stock=json.Decoder(ShownStock).decode,
    stock_numbers=("trade_volume", "version"),
    decode_order=json.Decoder(OrderAnswer).decode,
    decode_placed=json.Decoder(OrderAnswer).decode,
    placed_status=HTTPStatus.CREATED,
    leader_target="/api/v1/cluster",
    decode_leader=_read_leader,
    tag=_make_tag("-v1"),
)
CLIENT_DIALECTS = {one.name: one for one in (SEED, COURSE, V1)}

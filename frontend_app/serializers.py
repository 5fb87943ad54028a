"""
The shapes of public answers, in all dialects (docs/DESIGN.md 6).

Each is a type, with what there is to say of its fields.
"""

from decimal import Decimal
from typing import Annotated, Self

from msgspec import Meta, Struct

from bazaar.core.types import Order, Stock, TradeType

Name = Annotated[str, Meta(description="The name of a stock.", examples=["3M"])]
Shares = Annotated[int, Meta(description="Shares that can be bought now.", ge=0, examples=[5])]
Volume = Annotated[
    int, Meta(description="Shares bought and sold since the stock was listed.", ge=0, examples=[10])
]
Ordered = Annotated[int, Meta(description="Shares bought or sold.", ge=1, examples=[5])]
Type = Annotated[
    TradeType,
    Meta(description="`buy` takes shares out of the stock's quantity, `sell` puts them back."),
]
Number = Annotated[
    int, Meta(description="The number of an order, from 1 without gaps.", ge=1, examples=[7])
]
Price = Annotated[
    Decimal,
    Meta(
        description="The price of a share, in the stock's currency.",
        examples=[63.08],
    ),
]
Stale = Annotated[
    bool,
    Meta(description="Whether it may be old: the catalog is out of reach. Else it is left out."),
]


class SeedStock(Struct, frozen=True, omit_defaults=True):
    """A stock in the seed's dialect."""

    stock_name: Name
    price: Price
    trade_volume: Volume
    quantity: Shares
    stale: Stale = False

    @classmethod
    def from_core(cls, stock: Stock, *, is_stale: bool = False) -> Self:
        """Shape a stock."""
        return cls(stock.name, stock.price, stock.trade_volume, stock.quantity, is_stale)


class SeedOrder(Struct, frozen=True):
    """An order in the seed's dialect."""

    order_no: Number
    stock_name: Name
    trade_type: Type
    quantity: Ordered


class SeedOrderAnswer(Struct, frozen=True):
    """What a look-up answers in the seed's dialect."""

    data: SeedOrder

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Shape an order."""
        shown = SeedOrder(order.order_no, order.stock_name, order.trade_type, order.quantity)
        return cls(shown)


class SeedPlaced(Struct, frozen=True):
    """What a trade answers in the seed's dialect."""

    order_no: Number

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Shape the answer to a trade."""
        return cls(order.order_no)


class SeedLeader(Struct, frozen=True):
    """The order replica that leads, in the seed's dialect."""

    leader: Annotated[int, Meta(description="Its port for members of the cluster.", ge=0)]
    id: Annotated[int, Meta(description="Its number.", ge=1)]
    term: Annotated[int, Meta(description="The number of the leadership; only grows.", ge=0)]


class CourseStock(Struct, frozen=True):
    """A stock in the course's dialect."""

    name: Name
    price: Price
    quantity: Shares


class CourseStockAnswer(Struct, frozen=True):
    """What a question for a stock answers in the course's dialect."""

    data: CourseStock

    @classmethod
    def from_core(cls, stock: Stock, *, is_stale: bool = False) -> Self:
        """Shape a stock; only a header says that it may be old."""
        return cls(CourseStock(stock.name, stock.price, stock.quantity))


class CourseOrder(Struct, frozen=True):
    """An order in the course's dialect."""

    number: Number
    name: Name
    type: Type
    quantity: Ordered


class CourseOrderAnswer(Struct, frozen=True):
    """What a look-up answers in the course's dialect."""

    data: CourseOrder

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Shape an order."""
        shown = CourseOrder(order.order_no, order.stock_name, order.trade_type, order.quantity)
        return cls(shown)


class CourseTransaction(Struct, frozen=True):
    """A trade that was placed, in the course's dialect."""

    transaction_number: Number


class CoursePlaced(Struct, frozen=True):
    """What a trade answers in the course's dialect."""

    data: CourseTransaction

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Shape the answer to a trade."""
        return cls(CourseTransaction(order.order_no))


class StockView(Struct, frozen=True, omit_defaults=True):
    """A stock in v1."""

    stock_name: Name
    price: Annotated[
        str,
        Meta(
            description="The price of a share, in the stock's currency, as a decimal number.",
            pattern=r"^[0-9]+(\.[0-9]+)?$",
            examples=["63.08"],
        ),
    ]
    quantity: Shares
    trade_volume: Volume
    version: Annotated[
        int, Meta(description="Counts the changes of the stock, from 1.", ge=1, examples=[4])
    ]
    stale: Stale = False

    @classmethod
    def from_core(cls, stock: Stock, *, is_stale: bool = False) -> Self:
        """Shape a stock."""
        price, shares, volume = f"{stock.price:f}", stock.quantity, stock.trade_volume
        return cls(stock.name, price, shares, volume, stock.version, is_stale)


class OrderView(Struct, frozen=True):
    """An order in v1."""

    order_no: Number
    stock_name: Name
    trade_type: Type
    quantity: Ordered
    idempotency_key: Annotated[
        str,
        Meta(
            description="The key that the trade was placed with; made by the bazaar without one.",
            examples=["6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69"],
            extra_json_schema={"format": "uuid"},
        ),
    ]
    placed_by: Annotated[
        str | None,
        Meta(
            description="The name of the access token that the trade was first placed with; null:"
            " there was none.",
            examples=["alice"],
        ),
    ]

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Shape an order."""
        key, name, by = str(order.key), order.stock_name, order.placed_by
        return cls(order.order_no, name, order.trade_type, order.quantity, key, by)


Cursor = Annotated[
    str | None,
    Meta(
        description="The `cursor` of the next page; null: there are no more. A page may have fewer"
        " than `limit`, even none, and there are more all the same."
    ),
]


class StockList(Struct, frozen=True):
    """A page of stocks in v1, by name."""

    stocks: tuple[StockView, ...]
    next_cursor: Cursor


class OrderList(Struct, frozen=True):
    """A page of orders in v1, the newest first."""

    orders: tuple[OrderView, ...]
    next_cursor: Cursor


class ReplicaView(Struct, frozen=True):
    """An order replica in v1."""

    replica_id: Annotated[int, Meta(description="Its number.", ge=1)]
    port: Annotated[int, Meta(description="Its port for members of the cluster.")]
    is_alive: Annotated[bool, Meta(description="Whether it answers, and serves.")]
    is_leader: Annotated[bool, Meta(description="Whether trades go to it.")]
    in_sync: Annotated[
        bool | None,
        Meta(description="Whether every acknowledged order waits for it; null: nobody can tell."),
    ]


class PublicCluster(Struct, frozen=True):
    """The order replicas in v1."""

    leader: Annotated[
        int | None, Meta(description="The replica that leads; null: there is none now.")
    ]
    term: Annotated[int, Meta(description="The number of the leadership; only grows.", ge=0)]
    replicas: tuple[ReplicaView, ...]

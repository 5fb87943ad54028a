"""
The dialects of the one service, a table (docs/DESIGN.md 6, docs/adr/0037).

A dialect says at which paths and by which names a question is recognised, and how its answer is
shaped. What is asked and done is the same for all of them (`stock_views`, `order_views`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from msgspec import field as named

from bazaar.core.types import Order, TradeType
from bazaar.protocol import examples
from bazaar.protocol.messages import Name, Place
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    KEY_HEADER,
    OK,
    DescribedError,
    EndpointMethod,
    Environ,
    Handler,
    Lane,
    get,
    shape_error,
)
from bazaar.web.problems import PROBLEM_JSON, shape_problem
from frontend_app import serializers
from frontend_app.headers import REPLAYED
from frontend_app.trade_requests import (
    IS_COURSE,
    CourseTradeRequest,
    StrictTradeRequest,
    TradeRequest,
)

CREATED = f"{HTTPStatus.CREATED.value} {HTTPStatus.CREATED.phrase}"


class CourseNameQuery(Struct, frozen=True):
    """One stock, by its name in the path."""

    stock_name: Name = named(name="name", default=examples.STOCK)


class CourseNumberQuery(Struct, frozen=True):
    """One order, by its number in the path."""

    order_no: Place = named(name="number", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to ask and to be answered."""

    name: str
    """As the caches know its encoded answers."""
    stock_path: str
    """Of the GET of one stock. A parameter in it is the field of `stock_query`."""
    stock_query: type[Struct]
    """Has `stock_name`, whatever that is called on the wire."""
    order_path: str
    """Of the GET of one order."""
    order_query: type[Struct]
    """Has `order_no`."""
    trade_request: type[TradeRequest | CourseTradeRequest]
    """The body of a trade."""
    trade_example: Struct
    stock: Any
    """The shape of a stock: a type with `from_core(stock, is_stale=)`."""
    order: Any
    """The shape of an order: a type with `from_core(order)`."""
    placed: Any
    """The shape of what a trade answers, from its order."""
    stock_doc: str
    order_doc: str
    tag_suffix: str
    """Makes the tags of this dialect's representations differ from the others'."""
    placed_status: str = OK
    has_location: bool = False
    """Whether a trade's answer says where its order is, and whether it was there before."""
    is_strict: bool = False
    """Whether unknown query parameters are refused."""
    errors: Mapping[str, Any] = field(default_factory=dict)
    """How the endpoints shape errors, as options of `EndpointMethod`."""

    def placed_headers(self, order: Order) -> list[tuple[str, str]]:
        """Return what the answer to a trade has beside the headers of all answers."""
        if not self.has_location:
            return []
        location = ("Location", self.order_path.partition("{")[0] + str(order.order_no))
        return [location, REPLAYED] if order.is_replayed else [location]


def shape_failed_trade(error: DescribedError, environ: Environ) -> dict[str, Any]:
    """
    Return a failed trade at `/orders`, in the dialect that its body is in.

    The message of what is worth repeating has the key.
    """
    key = (environ.get(ANSWER_HEADERS) or {}).get(KEY_HEADER)
    message = error.message
    if key and error.code == HTTPStatus.SERVICE_UNAVAILABLE:
        message = f"{message} Repeat it with {KEY_HEADER}: {key}"
    if environ.get(IS_COURSE):
        return shape_error(DescribedError(error.code, message, error.headers), environ)
    return {"order_no": -1, "message": message}


SEED = Dialect(
    name="seed",
    stock_path="/stocks",
    stock_query=examples.NameQuery,
    order_path="/orders",
    order_query=examples.NumberQuery,
    trade_request=TradeRequest,
    trade_example=TradeRequest(examples.STOCK, TradeType.BUY, 1),
    stock=serializers.SeedStock,
    order=serializers.SeedOrderAnswer,
    placed=serializers.SeedPlaced,
    tag_suffix="",
    stock_doc="""Return one stock: its price and quantity, and how much was traded.

GET `?stock_name=` answers `{"stock_name", "price", "trade_volume", "quantity"}`; 404 when there is
no such stock, 503 when neither memory nor the catalog can tell. An answer that may be old has
`"stale": true`. `ETag`, `Age` and `Cache-Status` say which version it is and where it came from;
`Cache-Control: no-cache` asks the catalog even when memory has the stock.""",
    order_doc="""Look an order up.

GET `?order_no=` answers `{"data": {"order_no", "stock_name", "trade_type", "quantity"}}`; 404 when
there is no such order. `Cache-Control: no-cache` asks a replica even when memory has it.""",
)

COURSE = Dialect(
    name="course",
    stock_path="/stocks/{name}",
    stock_query=CourseNameQuery,
    order_path="/orders/{number}",
    order_query=CourseNumberQuery,
    trade_request=CourseTradeRequest,
    trade_example=CourseTradeRequest(examples.STOCK, TradeType.BUY, 1),
    stock=serializers.CourseStockAnswer,
    order=serializers.CourseOrderAnswer,
    placed=serializers.CoursePlaced,
    tag_suffix="-course",
    stock_doc="""Return one stock, in the course's dialect.

GET answers `{"data": {"name", "price", "quantity"}}`; 404 with `{"error": {"code", "message"}}`
when there is no such stock. The name is all that follows `/stocks/`, slashes and dots too.""",
    order_doc="""Look an order up, in the course's dialect.

GET answers `{"data": {"number", "name", "type", "quantity"}}`; 404 with `{"error": {"code",
"message"}}` when there is no such order.""",
)

V1 = Dialect(
    name="v1",
    stock_path="/api/v1/stocks/{stock_name}",
    stock_query=examples.NameQuery,
    order_path="/api/v1/orders/{order_no}",
    order_query=examples.NumberQuery,
    trade_request=StrictTradeRequest,
    trade_example=StrictTradeRequest(examples.STOCK, TradeType.BUY, 1),
    stock=serializers.StockView,
    order=serializers.OrderView,
    placed=serializers.OrderView,
    tag_suffix="-v1",
    placed_status=CREATED,
    has_location=True,
    is_strict=True,
    errors={
        "shape_failure": shape_problem,
        "error_type": PROBLEM_JSON,
        "error_statuses": {
            "insufficient_quantity": HTTPStatus.CONFLICT.value,
            "overstock": HTTPStatus.CONFLICT.value,
        },
    },
    stock_doc="""Return one stock.

GET answers `{"stock_name", "price", "quantity", "trade_volume", "version"}`; the price is a decimal
string. The name is all that follows `/stocks/`, slashes and dots too. 404 when there is no such
stock, 503 when neither memory nor the catalog can tell; an answer that may be old has `"stale":
true`. `ETag` names the version and this representation of it, and `If-None-Match` with it is
answered 304. `Age` and `Cache-Status` say where the answer came from; `Cache-Control: no-cache`
asks the catalog even when memory has the stock.""",
    order_doc="""Return one order.

GET answers `{"order_no", "stock_name", "trade_type", "quantity", "idempotency_key",
"placed_by"}`; 404 when there is no such order. `placed_by` is the name of the access token that it
was placed with, or null. An order never changes: `If-None-Match` with its `ETag` is answered
304.""",
)

DIALECTS = (SEED, COURSE, V1)


class NoQuery(Struct, frozen=True):
    """Nothing: there is only one answer to ask for."""


def get_v1(
    handler: Handler, request: type[Struct], *, lane: Lane = Lane.LOOK_UP, **more: Any
) -> EndpointMethod:
    """Return the GET of an endpoint of v1; `more` as in EndpointMethod."""
    return get(handler, request, lane=lane, is_strict=True, **V1.errors, **more)

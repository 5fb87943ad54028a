"""
The operations of the public API, as its OpenAPI description tells them.

What a request may hold, and how an error looks, is said by the endpoint itself. Here is what its
handler does not say: the type of the answer, its headers, and the kinds of errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from bazaar.core.types import Order, OrderNo, Stock, TradeType, Version
from bazaar.protocol import examples
from bazaar.protocol.endpoints import IndexBody
from bazaar.protocol.traces import TraceProcess, TraceStep, TradeTrace
from bazaar.web.endpoint import KEY_HEADER
from bazaar.web.problems import ProblemPage
from frontend_app import serializers
from frontend_app.dialects import COURSE, DIALECTS, SEED, V1, Dialect
from frontend_app.list_views import CLUSTER_PATH, ORDERS_PATH, STOCKS_PATH
from frontend_app.schema_views import SCHEMA_PATH
from frontend_app.trace_views import KEY_TRACE_PATH, ORDER_TRACE_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOperation:
    """One method of a path, as the description tells it."""

    operation_id: str
    tag: str
    answers: tuple[type[Struct], ...]
    """The types that the answer may have; () for a JSON object of any shape."""
    examples: Mapping[str, Any]
    """An answer by the name of what it shows."""
    headers: tuple[str, ...] = ()
    """Of the answer, beside those of all answers."""
    kinds: frozenset[str] = frozenset()
    """Of the errors, beside those that any request may get."""

    @property
    def status(self) -> HTTPStatus:
        """That of the answer: what was made has an address."""
        return HTTPStatus.CREATED if "Location" in self.headers else HTTPStatus.OK

    @property
    def has_tag(self) -> bool:
        """Whether a client that names the tag of the answer is told 304."""
        return "ETag" in self.headers

    @property
    def has_key(self) -> bool:
        """Whether it is a trade, which has a key."""
        return KEY_HEADER in self.headers

    @property
    def request_headers(self) -> tuple[str, ...]:
        """What a request may say, because of what its answer says."""
        return tuple(_ASKED[name] for name in self.headers if name in _ASKED)


_ASKED = {"ETag": "If-None-Match", "Cache-Status": "Cache-Control", KEY_HEADER: KEY_HEADER}
"""The headers of requests by those of answers."""

EVERYWHERE = frozenset(
    {"bad_request", "token_refused", "length_required", "body_too_large", "busy", "rate_limited"}
    | {"mistake", "tokens_unavailable"}
)
"""Kinds of errors that any request may get."""
_CLUSTER = frozenset({"unreachable", "not_serving", "corrupt", "storage_failed"})
_REPLICAS = _CLUSTER | {"no_leader", "no_replica", "not_leader", "deposed", "too_few_in_sync"}
_TRADE = _REPLICAS | {
    *("unknown_stock", "insufficient_quantity", "overstock", "key_reused", "not_replicated"),
    *("token_required", "access_denied", "forbidden", "unsupported_media_type"),
}
_STOCK = Stock(
    name=examples.STOCK,
    price=Decimal("63.08"),
    quantity=5,
    opening=15,
    issued=15,
    trade_volume=10,
    version=Version(4),
)
_ORDER = Order(OrderNo(7), examples.KEY, examples.STOCK, TradeType.BUY, 5, "alice")
_STOCK_VIEW, _ORDER_VIEW = V1.stock.from_core(_STOCK), V1.order.from_core(_ORDER)
_REPLICA = serializers.ReplicaView(2, 20002, is_alive=True, is_leader=True, in_sync=True)
_SENT = TraceStep(
    no=1,
    kind="message",
    process="frontend-1",
    to="order-2",
    text="sends the trade to the leader of term 3",
    at_ms=0.4,
    end_ms=7.9,
    received_ms=0.6,
    answered_ms=7.7,
)
_TRACE = TradeTrace(
    idempotency_key=str(examples.KEY),
    order_no=7,
    outcome="placed, status 201",
    began_s=1_790_000_000.25,
    took_ms=8.1,
    trace_ids=("0af7651916cd43dd8448eb211c80319c",),
    processes=(TraceProcess(name="frontend-1"), TraceProcess(name="order-2")),
    steps=(_SENT,),
)


def _stock(dialect: Dialect) -> ApiOperation:
    return ApiOperation(
        operation_id=f"{dialect.name}_stock",
        tag=dialect.name,
        answers=(dialect.stock,),
        examples={"stock": dialect.stock.from_core(_STOCK)},
        headers=("ETag", "Age", "Cache-Status", "Warning"),
        kinds=_CLUSTER | {"unknown_stock"},
    )


def _order(dialect: Dialect) -> ApiOperation:
    return ApiOperation(
        operation_id=f"{dialect.name}_order",
        tag=dialect.name,
        answers=(dialect.order,),
        examples={"order": dialect.order.from_core(_ORDER)},
        headers=("ETag", "Cache-Status"),
        kinds=_REPLICAS | {"unknown_order"},
    )


def _list(name: str, answer: type[Struct], example: Any, kinds: frozenset[str]) -> ApiOperation:
    return ApiOperation(
        operation_id=f"v1_{name}",
        tag=V1.name,
        answers=(answer,),
        examples={name: example},
        headers=("ETag", "Link"),
        kinds=kinds,
    )


def _plain(operation_id: str, tag: str, answer: Struct, **more: Any) -> ApiOperation:
    return ApiOperation(
        operation_id=operation_id,
        tag=tag,
        answers=(type(answer),),
        examples={operation_id: answer},
        **more,
    )


_SEED_TRADE = ApiOperation(
    operation_id="seed_or_course_trade",
    tag="seed, course",
    answers=(SEED.placed, COURSE.placed),
    examples={one.name: one.placed.from_core(_ORDER) for one in (SEED, COURSE)},
    headers=(KEY_HEADER,),
    kinds=_TRADE,
)
_V1_TRADE = ApiOperation(
    operation_id="v1_trade",
    tag=V1.name,
    answers=(V1.placed,),
    examples={"order": _ORDER_VIEW},
    headers=(KEY_HEADER, "Location", "Idempotency-Replayed"),
    kinds=_TRADE,
)
_PROBLEM_PAGE = ProblemPage(
    "/problems/busy", "Too many requests are waiting", "Nothing was tried.\n\nTry again later."
)
OPERATIONS: Mapping[tuple[str, str], ApiOperation] = {
    **{("GET", dialect.stock_path): _stock(dialect) for dialect in DIALECTS},
    **{("GET", dialect.order_path): _order(dialect) for dialect in DIALECTS},
    ("POST", SEED.order_path): _SEED_TRADE,
    ("POST", ORDERS_PATH): _V1_TRADE,
    ("GET", STOCKS_PATH): _list(
        "stocks",
        serializers.StockList,
        serializers.StockList((_STOCK_VIEW,), examples.STOCK),
        _CLUSTER,
    ),
    ("GET", ORDERS_PATH): _list(
        "orders", serializers.OrderList, serializers.OrderList((_ORDER_VIEW,), "7"), _REPLICAS
    ),
    ("GET", CLUSTER_PATH): _plain(
        "v1_cluster",
        V1.name,
        serializers.PublicCluster(2, 3, (_REPLICA,)),
        kinds=_REPLICAS,
    ),
    ("GET", ORDER_TRACE_PATH): _plain(
        "v1_order_trace",
        V1.name,
        _TRACE,
        kinds=_REPLICAS | {"unknown_order", "unknown_trace"},
    ),
    ("GET", KEY_TRACE_PATH): _plain(
        "v1_trace",
        V1.name,
        _TRACE,
        kinds=frozenset({"unknown_trace"}),
    ),
    ("GET", "/problems/{kind}"): _plain(
        "problem",
        "about",
        _PROBLEM_PAGE,
        kinds=frozenset({"no_such_path"}),
    ),
    ("GET", "/leader"): _plain(
        "seed_leader", SEED.name, serializers.SeedLeader(20002, 2, 3), kinds=_REPLICAS
    ),
    ("GET", "/"): _plain("index", "about", IndexBody(endpoints=())),
    ("GET", SCHEMA_PATH): ApiOperation(
        operation_id="schema",
        tag="about",
        answers=(),
        examples={},
        headers=("ETag",),
    ),
}
"""Every operation, by its method and path."""

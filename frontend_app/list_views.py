"""The lists of v1, a page at a time, and its view of the cluster."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta, Struct

from bazaar.core.types import STOCK_NAME_CHARS_MAX, OrderNo, TradeType
from bazaar.protocol.codec import encode
from bazaar.protocol.messages import Number, PageSize
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import Audience, Endpoint, Environ, Lane, ReadyAnswer
from bazaar.web.problems import PAGES, ProblemPage, read_pages
from frontend_app import serializers, services, wiring
from frontend_app.dialects import V1, NoQuery, get_v1
from frontend_app.headers import (
    READ_AND_PLACE,
    READ_ONLY,
    answer_unless_known,
    length,
    make_tag,
    standard_headers,
)

LIMIT = 50
"""Stocks or orders in a page of a list, if the request does not say."""
STOCKS_PATH, ORDERS_PATH, CLUSTER_PATH = "/api/v1/stocks", "/api/v1/orders", "/api/v1/cluster"
Text = Annotated[str, Meta(max_length=STOCK_NAME_CHARS_MAX)]


class StockListQuery(Struct, frozen=True):
    """A page of stocks."""

    q: Annotated[
        Text | None, Meta(description="What the names contain; capitals do not matter.")
    ] = None
    limit: Annotated[
        PageSize | None, Meta(description=f"Stocks in the page at most; {LIMIT} by default.")
    ] = None
    cursor: Annotated[Text | None, Meta(description="`next_cursor` of the page before.")] = None


class OrderListQuery(Struct, frozen=True):
    """A page of orders."""

    stock_name: Annotated[Text | None, Meta(description="Only orders of this stock.")] = None
    trade_type: Annotated[TradeType | None, Meta(description="Only orders of this type.")] = None
    limit: Annotated[
        PageSize | None, Meta(description=f"Orders in the page at most; {LIMIT} by default.")
    ] = None
    cursor: Annotated[Number | None, Meta(description="`next_cursor` of the page before.")] = None


def list_stocks(query: StockListQuery, environ: Environ) -> ReadyAnswer:
    """
    List the stocks, by name.

    GET `?q=&limit=&cursor=` answers `{"stocks": [...], "next_cursor"}`, each stock as its own
    address shows it; `q` is what the names contain. Go on with `cursor` until `next_cursor` is
    null. 503 when the catalog does not answer: a list does not come from memory.
    """
    found = services.list_stocks(text=query.q, after=query.cursor, limit=query.limit or LIMIT)
    stocks = tuple(serializers.StockView.from_core(stock.to_core()) for stock in found.stocks)
    page = serializers.StockList(stocks, found.end)
    return _answer_page(page, {"q": query.q, "limit": query.limit}, STOCKS_PATH, environ)


def list_orders(query: OrderListQuery, environ: Environ) -> ReadyAnswer:
    """
    List the orders, the newest first.

    GET `?stock_name=&trade_type=&limit=&cursor=` answers `{"orders": [...], "next_cursor"}`: every
    order that was acknowledged before the request, or those of a stock and of a type. Go on with
    `cursor` until `next_cursor` is null: a page that looks for few orders may have none.
    """
    found = services.list_orders(
        before=OrderNo(query.cursor or 0),
        limit=query.limit or LIMIT,
        stock_name=query.stock_name,
        trade_type=query.trade_type,
    )
    orders = tuple(serializers.OrderView.from_core(order.to_core()) for order in found.orders)
    page = serializers.OrderList(orders, str(found.first) if found.first > 1 else None)
    asked = {name: getattr(query, name) for name in ("stock_name", "trade_type", "limit")}
    return _answer_page(page, asked, ORDERS_PATH, environ)


def show_cluster(query: NoQuery) -> serializers.PublicCluster:
    """
    Return the order replicas, and which of them leads.

    GET answers `{"leader", "term", "replicas": [{"replica_id", "port", "is_alive", "is_leader",
    "in_sync"}, ...]}`, at most 0.2 s old. An acknowledged order is on every replica in sync.
    """
    return wiring.cluster().read()


class ProblemQuery(Struct, frozen=True):
    """One kind of problem, by its name in the path."""

    kind: Annotated[Text, Meta(description="The kind, as `type` has it.")] = "busy"


def explain_problem(query: ProblemQuery) -> ProblemPage:
    """
    Explain a kind of problem: what it means, and what to do.

    GET answers `{"type", "title", "explanation"}`; 404 for an unknown kind. The errors of
    `/api/v1/` name their kind so.
    """
    page = read_pages().get(query.kind)
    if page is None:
        raise EndpointRefusedError(HTTPStatus.NOT_FOUND, "There is no such kind of problem.")
    return page


LIST_ORDERS = get_v1(list_orders, OrderListQuery, takes_environ=True)
"""The GET of the orders' path, which has a POST, too."""
ENDPOINTS = (
    Endpoint(
        STOCKS_PATH,
        get_v1(list_stocks, StockListQuery, takes_environ=True),
        audience=Audience.PUBLIC,
    ),
    Endpoint(CLUSTER_PATH, get_v1(show_cluster, NoQuery), audience=Audience.PUBLIC),
    Endpoint(
        PAGES + "{kind}",
        get_v1(explain_problem, ProblemQuery, lane=Lane.LOCAL, is_instant=True),
        audience=Audience.PUBLIC,
    ),
)
_HEADERS = {
    STOCKS_PATH: standard_headers(READ_ONLY),
    ORDERS_PATH: standard_headers(READ_AND_PLACE),
}


def _answer_page(page: Any, asked: Mapping[str, Any], path: str, environ: Environ) -> ReadyAnswer:
    """
    Return a page of a list, with a link to the next one.

    asked: the parameters of the request, but its cursor.
    """
    body = encode(page)
    tag = make_tag(body, V1.tag_suffix)
    headers = [*_HEADERS[path], ("ETag", tag), length(body)]
    if page.next_cursor is not None:
        given = {name: value for name, value in asked.items() if value is not None}
        target = urlencode({**given, "cursor": page.next_cursor})
        headers.append(("Link", f'<{path}?{target}>; rel="next"'))
    return answer_unless_known(environ, tag, headers, body, None)

"""The front end's endpoints in the seed's dialect, one table (docs/DESIGN.md 6)."""

from bazaar.clock import monotonic_s
from bazaar.core.types import Order, OrderNo, Trade, TradeType, Version
from bazaar.protocol import cache_messages, examples, messages, tracing
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.runtime.metrics import BEGAN, operations
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    EVENT_LOOP,
    Audience,
    Endpoint,
    Environ,
    Lane,
    Port,
    ReadyAnswer,
    TakeAnswer,
    get,
    post,
)
from bazaar.web.metrics_page import make_metrics_endpoint
from bazaar.web.probes import make_health_endpoints
from frontend_app import serializers, services, wiring
from frontend_app.entries import Source, StockRead
from frontend_app.headers import (
    KEY_FIELD,
    ORDER_HEADERS,
    order_headers,
    read_headers,
    wants_fresh,
)
from frontend_app.serializers import TradeRequest, stock_answer

CONTROL = (Port.CONTROL,)
_STOCK_HIT = operations.meter("GET /stocks hit").histogram.add
_STOCK_MISS = operations.meter("GET /stocks miss").histogram.add
_STOCK_FRESH = operations.meter("GET /stocks fresh").histogram.add
_ORDER_PLACED = operations.meter("POST /orders placed").histogram.add
_ORDER_COUNTS = {
    Source.HIT: operations.meter("GET /orders hit").histogram.add,
    Source.STORED: operations.meter("GET /orders miss").histogram.add,
    Source.REQUEST: operations.meter("GET /orders fresh").histogram.add,
}


def show_stock(query: examples.NameQuery, environ: Environ) -> ReadyAnswer:
    """
    Return one stock: its price and quantity, and how much was traded.

    GET `?stock_name=` answers `{"stock_name", "price", "trade_volume", "quantity"}`; 404 when there
    is no such stock, 503 when neither memory nor the catalog can tell. An answer that may be old
    has `"stale": true`. `ETag`, `Age` and `Cache-Status` say which version it is and where it came
    from; `Cache-Control: no-cache` asks the catalog even when memory has the stock.
    """
    if answer := find_stock(query, environ):
        return answer
    is_fresh = wants_fresh(environ)
    read = services.read_stock(stock_name=query.stock_name, is_fresh=is_fresh)
    return _answer_read(read, is_fresh=is_fresh)


def show_stock_later(query: examples.NameQuery, environ: Environ, done: TakeAnswer) -> None:
    """Show a stock that memory has not, without a thread that waits for it."""
    is_fresh = wants_fresh(environ)

    def take(read: StockRead | Exception) -> None:
        done(read if isinstance(read, Exception) else _answer_read(read, is_fresh=is_fresh))

    services.read_stock_later(
        stock_name=query.stock_name, is_fresh=is_fresh, loop=environ.get(EVENT_LOOP), done=take
    )


def _answer_read(read: StockRead, *, is_fresh: bool) -> ReadyAnswer:
    if read.is_stale:
        body = serializers.encode_stale(read.entry.stock)
        return read_headers(read, body), body, None
    body = stock_answer(read.entry).body
    return read_headers(read, body), body, _STOCK_FRESH if is_fresh else _STOCK_MISS


def find_stock(query: examples.NameQuery, environ: Environ) -> ReadyAnswer | None:
    """Return the answer for a stock in memory, or not listed, without waiting."""
    if "HTTP_CACHE_CONTROL" in environ and wants_fresh(environ):
        wiring.stocks().check_listed(query.stock_name, monotonic_s())
        return None
    hit = wiring.stocks().hit(query.stock_name, monotonic_s())
    if hit is None:
        return None
    entry, age_s = hit
    answer = stock_answer(entry)
    return [*answer.hit_headers, ("Age", str(age_s))], answer.body, _STOCK_HIT


def place_order(trade: Trade, environ: Environ) -> ReadyAnswer:
    """
    Place an order.

    POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}` buys shares of the stock or sells
    them back, and answers `{"order_no"}`. With an `Idempotency-Key` (a UUID) a repeated request
    returns the same order. What failed is `{"order_no": -1, "message"}`: 404 when there is no such
    stock or not as many shares, 503 when it is to be repeated with its key.
    """
    return _answer_trade(services.place_order(trade=trade, began_s=environ.get(BEGAN)), environ)


def place_order_later(trade: Trade, environ: Environ, done: TakeAnswer) -> None:
    """Place an order without a thread that waits for it."""

    def take(order: Order | Exception) -> None:
        if isinstance(order, Exception):
            done(order)
            return
        with tracing.bind(span):
            done(_answer_trade(order, environ))

    span = tracing.current()
    services.place_order_later(trade=trade, began_s=environ[BEGAN], done=take)


def _answer_trade(order: Order, environ: Environ) -> ReadyAnswer:
    tracing.note(order_no=order.order_no)
    body = b'{"order_no":%d}' % order.order_no
    length = ("Content-Length", str(len(body)))
    headers = [*ORDER_HEADERS, length, *environ[ANSWER_HEADERS].items()]
    return headers, body, _ORDER_PLACED


def show_order(query: examples.NumberQuery, environ: Environ) -> ReadyAnswer:
    """
    Look an order up.

    GET `?order_no=` answers `{"data": {"order_no", "stock_name", "trade_type", "quantity"}}`; 404
    when there is no such order. `Cache-Control: no-cache` asks a replica even when memory has it.
    """
    number = OrderNo(query.order_no)
    body, source = services.look_up_order(order_no=number, is_fresh=wants_fresh(environ))
    return order_headers(body, source), body, _ORDER_COUNTS[source]


def find_order(query: examples.NumberQuery, environ: Environ) -> ReadyAnswer | None:
    """Return the answer for an order in memory, without waiting."""
    if wants_fresh(environ):
        return None
    body = wiring.orders().hit(OrderNo(query.order_no))
    if body is None:
        return None
    return order_headers(body, Source.HIT), body, _ORDER_COUNTS[Source.HIT]


def show_leader() -> dict[str, int]:
    """
    Return the order replica that leads, as this front end knows it.

    GET answers `{"leader": port, "id", "term"}`; 503 before the first leader was found.
    """
    leadership = services.get_leadership()
    assert leadership.leader is not None, "get_leadership returns a leader or raises"
    port = wiring.port_of(leadership.leader)
    return {"leader": port, "id": leadership.leader, "term": leadership.term}


def remove_stock(query: examples.NameQuery) -> dict[str, str]:
    """
    Make this front end forget a stock.

    GET `?stock_name=` answers `{"stock_name", "message": "removed successfully"}`, or only a
    message when the stock was not in memory. The next reader makes it ask the catalog.
    """
    if services.remove_stock(stock_name=query.stock_name):
        return {"stock_name": query.stock_name, "message": "removed successfully"}
    return {"message": "this stock isn't exist in cache"}


def invalidate(body: cache_messages.InvalidateBody) -> messages.DoneBody:
    """
    Forget stocks below a version.

    The catalog sends this before it commits a change.

    POST `{"changes": [{"stock_name", "version"}, ...]}` answers `{"done": true}`. Twice is
    harmless.
    """
    services.invalidate(
        changes=[(change.stock_name, Version(change.version)) for change in body.changes]
    )
    return messages.DoneBody()


def expect_restart(body: cache_messages.ExpectBody) -> messages.DoneBody:
    """
    Expect the catalog to be away while it is restarted.

    POST `{"for_s"}` answers `{"done": true}`: for so many seconds, 60 at most, reads that memory
    cannot answer wait for it instead of failing, and trades wait so much longer. 0 ends it.
    """
    services.expect_restart(for_s=body.for_s)
    return messages.DoneBody()


def status() -> FrontEndStatus:
    """
    Return the status of this front end.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """
    return wiring.status()


ENDPOINTS = (
    Endpoint(
        "/stocks",
        get(
            show_stock,
            examples.NameQuery,
            takes_environ=True,
            lane=Lane.LOOK_UP,
            ready=find_stock,
            later=show_stock_later,
        ),
        audience=Audience.PUBLIC,
    ),
    Endpoint(
        "/orders",
        get(
            show_order,
            examples.NumberQuery,
            takes_environ=True,
            lane=Lane.LOOK_UP,
            ready=find_order,
        ),
        post(
            place_order,
            TradeRequest,
            TradeRequest(examples.STOCK, TradeType.BUY, 1),
            takes_environ=True,
            lane=Lane.TRADE,
            later=place_order_later,
            read=serializers.read_trade,
            headers=(KEY_FIELD,),
            shape_failure=serializers.shape_failed_trade,
        ),
        audience=Audience.PUBLIC,
    ),
    Endpoint("/leader", get(show_leader, is_instant=True), audience=Audience.PUBLIC),
    Endpoint(
        "/rm",
        get(remove_stock, examples.NameQuery, changes=True),
        ports=(Port.SERVED, Port.CONTROL),
    ),
    Endpoint(
        "/invalidate",
        post(invalidate, cache_messages.InvalidateBody, examples.INVALIDATE, is_instant=True),
        ports=CONTROL,
    ),
    Endpoint(
        "/expect",
        post(expect_restart, cache_messages.ExpectBody, examples.EXPECT, is_instant=True),
        ports=CONTROL,
    ),
    Endpoint("/status", get(status), ports=CONTROL),
    *make_health_endpoints(wiring.list_checks),
    make_metrics_endpoint(wiring.read_metrics),
)

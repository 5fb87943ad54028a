"""
The front end's endpoints: three dialects, and what the cluster asks.

What the dialects have in common is in `stock_views` and `order_views`, and how they differ in
`dialects`.
"""

from bazaar.core.types import CatalogId, Epoch, Version
from bazaar.protocol import cache_messages, examples, leadership_messages, messages
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.web.end_endpoint import make_end_endpoint
from bazaar.web.endpoint import Audience, Endpoint, Port, get, post, with_index
from bazaar.web.metrics_page import make_metrics_endpoint
from bazaar.web.probes import make_health_endpoints
from bazaar.web.spans_endpoint import make_spans_endpoint
from frontend_app import list_views, services, trace_views, wiring
from frontend_app.dialects import COURSE, DIALECTS, SEED, V1, shape_failed_trade
from frontend_app.headers import READ_AND_PLACE, READ_ONLY, standard_headers
from frontend_app.order_views import OrderViews, TradeViews
from frontend_app.schema_views import make_schema_endpoint
from frontend_app.serializers import SeedLeader
from frontend_app.stock_views import StockViews
from frontend_app.trade_requests import read_strict_trade, read_trade

CONTROL = (Port.CONTROL,)


def show_leader() -> SeedLeader:
    """
    Return the order replica that leads, as this front end knows it.

    GET answers `{"leader": port, "id", "term"}`; 503 before the first leader was found.
    """
    leadership = services.get_leadership()
    assert leadership.leader is not None, "get_leadership returns a leader or raises"
    port = wiring.port_of(leadership.leader)
    return SeedLeader(port, leadership.leader, leadership.term)


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

    POST `{"changes": [{"stock_name", "version"}, ...], "epoch"}` answers `{"done": true}`; 503
    when that epoch is over. Twice is harmless.
    """
    changes = [(change.stock_name, Version(change.version)) for change in body.changes]
    services.invalidate(epoch=Epoch(body.epoch), changes=changes)
    return messages.DoneBody()


def hear_epoch(body: leadership_messages.EpochBody) -> messages.DoneBody:
    """
    Follow a new active catalog.

    POST `{"epoch", "catalog"}` answers `{"done": true}` once that catalog says so itself; 503
    `not_active` when a newer one is known here, 409 `unconfirmed` when it says something else.
    All that is remembered of an older epoch is forgotten then. Twice is harmless.
    """
    services.hear_epoch(epoch=Epoch(body.epoch), catalog=CatalogId(body.catalog))
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


_READ, _PLACE = standard_headers(READ_ONLY), standard_headers(READ_AND_PLACE)
_TRADE_DOC = """Place an order.

POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}` buys shares of the stock or sells them
back, and answers `{"order_no"}`. With an `Idempotency-Key` (a UUID) a repeated request returns the
same order. What failed is `{"order_no": -1, "message"}`: 404 when there is no such stock or not as
many shares, 503 when it is to be repeated with its key. In the course's dialect, `{"name",
"quantity", "type"}` answers `{"data": {"transaction_number"}}`, and what failed is `{"error":
{"code", "message"}}`; the names of the fields decide."""
_V1_TRADE_DOC = """Place an order.

POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}` buys shares of the stock or sells them
back. It answers 201 with the order and its `Location`. Send an `Idempotency-Key` (a UUID, bare or
in quotes): a repeated request with it returns the same order, with `Idempotency-Replayed: true`.
404 when there is no such stock, 409 when there are not as many shares, 422 when the key belongs to
another trade, 503 when it is to be repeated with its key, which is in the answer."""

_DESCRIBED = (
    *(StockViews(dialect).endpoint for dialect in DIALECTS),
    Endpoint(
        SEED.order_path,
        OrderViews(SEED, _PLACE).action,
        TradeViews(SEED.order_path, SEED, _PLACE).action(
            _TRADE_DOC, read_trade, shape_failure=shape_failed_trade
        ),
        audience=Audience.PUBLIC,
    ),
    *(
        Endpoint(dialect.order_path, OrderViews(dialect, _READ).action, audience=Audience.PUBLIC)
        for dialect in (COURSE, V1)
    ),
    Endpoint(
        list_views.ORDERS_PATH,
        list_views.LIST_ORDERS,
        TradeViews(list_views.ORDERS_PATH, V1, _PLACE).action(
            _V1_TRADE_DOC, read_strict_trade, **V1.errors
        ),
        audience=Audience.PUBLIC,
    ),
    *list_views.ENDPOINTS,
    *trace_views.ENDPOINTS,
    Endpoint("/leader", get(show_leader, is_instant=True), audience=Audience.PUBLIC),
)
"""What anybody may call."""
ENDPOINTS = (
    *_DESCRIBED,
    make_schema_endpoint(_DESCRIBED),
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
        "/epoch",
        post(hear_epoch, leadership_messages.EpochBody, examples.EPOCH),
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
    make_spans_endpoint(),
    make_end_endpoint(),
)
SERVED_ENDPOINTS = with_index(ENDPOINTS, Port.SERVED, Audience.PUBLIC)
CONTROL_ENDPOINTS = with_index(ENDPOINTS, Port.CONTROL, Audience.MEMBER)
"""Those of each port, with the list of them."""

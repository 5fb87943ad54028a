"""The trace of one trade, by its order or by its key; v1 only."""

from typing import Annotated

from msgspec import Meta, Struct

from bazaar.core.types import OrderNo
from bazaar.protocol import examples
from bazaar.protocol.traces import TradeTrace
from bazaar.web.endpoint import Audience, Endpoint
from frontend_app import services
from frontend_app.dialects import V1, get_v1
from frontend_app.headers import parse_key

ORDER_TRACE_PATH = f"{V1.order_path}/trace"
KEY_TRACE_PATH = "/api/v1/traces/{idempotency_key}"


class KeyQuery(Struct, frozen=True):
    """One trade, by its key in the path."""

    idempotency_key: Annotated[
        str, Meta(description="The key of the trade.", extra_json_schema={"format": "uuid"})
    ] = str(examples.KEY)


def show_order_trace(query: examples.NumberQuery) -> TradeTrace:
    """
    Follow the trade that became an order.

    GET answers `{"idempotency_key", "order_no", "outcome", "began_s", "took_ms", "trace_ids",
    "processes": [{"name", "offset_ms", "reason"}, ...], "steps": [{"no", "kind", "process", "to",
    "text", "at_ms", "end_ms", "received_ms", "answered_ms", "is_durable", "error"}, ...]}`: who did
    what when, in milliseconds after the trade began. 404 when there is no such order, or when the
    trade is forgotten: the newest thousands are remembered, and 500 that were slow or failed.
    """
    return services.read_order_trace(order_no=OrderNo(query.order_no))


def show_key_trace(query: KeyQuery) -> TradeTrace:
    """
    Follow a trade by its key, be it placed or failed.

    GET answers the same as `/api/v1/orders/{order_no}/trace`.
    """
    key = parse_key("idempotency_key", query.idempotency_key)
    return services.read_trace(key=key)


ENDPOINTS = (
    Endpoint(
        ORDER_TRACE_PATH,
        get_v1(show_order_trace, examples.NumberQuery),
        audience=Audience.PUBLIC,
    ),
    Endpoint(KEY_TRACE_PATH, get_v1(show_key_trace, KeyQuery), audience=Audience.PUBLIC),
)

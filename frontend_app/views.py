"""The front end's endpoints in the seed's dialect (DESIGN 6)."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.core.types import OrderNo, TradeType, Version
from bazaar.protocol import examples, messages
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.web.rest import (
    Endpoint,
    MemberEndpoint,
    read_number,
    read_stock_name,
)
from bazaar.web.router import GetHop, PostHop
from frontend_app import serializers, services, wiring
from frontend_app.headers import (
    KEY_FIELD,
    KEY_HEADER,
    asks_for_fresh,
    cache_status,
    headers_of,
)
from frontend_app.outcomes import outcome_of
from frontend_app.trades import Wish, read_key


class StockDetail(Endpoint):
    """
    One stock: its price, how many shares can be bought, how many were traded.

    GET `?stock_name=` answers `{"stock_name", "price", "trade_volume", "quantity"}`; 404 when there
    is no such stock, 503 when neither memory nor the catalog can tell. An answer that may be old
    has `"stale": true`. `ETag`, `Age` and `Cache-Status` say which version it is and where it came
    from; `Cache-Control: no-cache` asks the catalog even when memory has the stock.
    """

    query = examples.NameQuery()

    def get(self, request: Request) -> Response:
        reading = outcome_of(request.META) or services.read_stock(
            stock_name=read_stock_name(request), is_fresh=asks_for_fresh(request.META)
        )
        return Response(serializers.show_reading(reading), headers=headers_of(reading))


class OrderList(Endpoint):
    """
    Place an order, or look one up.

    POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}` buys shares of the stock or sells
    them back, and answers `{"order_no"}`. With an `Idempotency-Key` (a UUID) a repeated request
    returns the same order. What failed is `{"order_no": -1, "message"}`: 404 when there is no such
    stock or not as many shares, 503 when it is to be repeated with its key.

    GET `?order_no=` answers `{"data": {"order_no", "stock_name", "trade_type", "quantity"}}`; 404
    when there is no such order. `Cache-Control: no-cache` asks a replica even when memory has it.
    """

    query = examples.NumberQuery()
    example = Wish(examples.STOCK, TradeType.BUY, 1)
    headers_asked = (KEY_FIELD,)

    def get(self, request: Request) -> Response:
        order_no = OrderNo(read_number(request, "order_no"))
        outcome_of(request.META)  # what failed the short way is not tried again
        is_fresh = asks_for_fresh(request.META)
        body, source = services.look_up_order(order_no=order_no, is_fresh=is_fresh)
        return Response(msgspec.json.decode(body), headers={"Cache-Status": cache_status(source)})

    key: UUID | None = None

    def post(self, request: Request) -> Response:
        self.key = read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        outcome_of(request.META)  # what failed the short way is not tried again
        fields = serializers.read_order(request.data)
        order = services.place_order(
            key=self.key,
            stock_name=fields["stock_name"],
            trade_type=TradeType(fields["trade_type"]),
            quantity=fields["quantity"],
        )
        return Response({"order_no": order.order_no}, headers=self.failure_headers())

    def shape_failure(self, code: int, message: str) -> dict[str, Any]:
        """Say a failed trade as the seed does; with the key when it is worth repeating."""
        if self.request.method != "POST":
            return super().shape_failure(code, message)
        if self.key and code == HTTPStatus.SERVICE_UNAVAILABLE:
            message = f"{message} Repeat it with {KEY_HEADER}: {self.key}"
        return {"order_no": -1, "message": message}

    def failure_headers(self) -> dict[str, str]:
        """Name the key of the trade, given or made."""
        return {KEY_HEADER: str(self.key)} if self.key else {}


class LeaderDetail(Endpoint):
    """
    The order replica that leads, as this front end knows it.

    GET answers `{"leader": port, "id", "term"}`; 503 before the first leader was found.
    """

    def get(self, request: Request) -> Response:
        leadership = services.get_leadership()
        assert leadership.leader is not None, "get_leadership returns a leader or raises"
        port = wiring.port_of(leadership.leader)
        return Response({"leader": port, "id": leadership.leader, "term": leadership.term})


class CacheRemove(MemberEndpoint):
    """
    Make this front end forget a stock.

    GET `?stock_name=` answers `{"stock_name", "message": "removed successfully"}`, or only a
    message when the stock was not in memory. The next reader makes it ask the catalog.
    """

    query = examples.NameQuery()
    changing = frozenset({"GET"})

    def get(self, request: Request) -> Response:
        stock_name = read_stock_name(request)
        if services.remove_stock(stock_name=stock_name):
            return Response({"stock_name": stock_name, "message": "removed successfully"})
        return Response({"message": "this stock isn't exist in cache"})


class Invalidate(PostHop):
    """
    Forget stocks below a version; the catalog sends this before it commits a change.

    POST `{"changes": [{"stock_name", "version"}, ...]}` answers `{"done": true}`. Twice is
    harmless.
    """

    example = examples.INVALIDATE
    body_type = messages.InvalidateBody

    def answer(self, body: messages.InvalidateBody) -> messages.DoneBody:
        services.invalidate(
            changes=[(change.stock_name, Version(change.version)) for change in body.changes]
        )
        return messages.DoneBody()


class StatusDetail(GetHop):
    """
    What this front end tells of itself: lease, memory, hits, elections, requests, events.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """

    def show(self, value: str) -> FrontEndStatus:
        return wiring.status()

"""An order replica's endpoints; every one for cluster members only."""

from typing import Any

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.core.types import OrderNo, ReplicaId, Term, TradeType
from bazaar.hops import GetHop, PostHop
from bazaar.protocol import messages
from bazaar.protocol.rows import ROWS_MAX
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.rest import (
    MemberEndpoint,
    check_number,
    check_stock_name,
    read_body,
    read_number,
    read_param,
    read_stock_name,
)
from order_app import rows, serializers, services, wiring


class DirectTrade(msgspec.Struct, frozen=True):
    """The body of the seed's trade."""

    stock_name: messages.Name
    trade_type: TradeType
    quantity: messages.Quantity


class SeedQuery(MemberEndpoint):
    """GET: one order, in the seed's shape."""

    def get(self, request: Request) -> Response:
        order = services.look_up(order_no=OrderNo(read_number(request, "order_no")))
        return Response(serializers.seed_order(order))


class SeedTrade(MemberEndpoint):
    """GET or POST: place one trade, in the seed's shape; the leader only."""

    body_type = DirectTrade

    def get(self, request: Request) -> Response:
        quantity = read_number(request, "quantity", 1)
        try:
            body = msgspec.convert(
                {
                    "stock_name": read_stock_name(request),
                    "trade_type": read_param(request, "trade_type"),
                    "quantity": quantity,
                },
                DirectTrade,
            )
        except msgspec.ValidationError as error:
            raise ParseError(f"The query is not right: {error}.") from error
        return self._place(body)

    def post(self, request: Request) -> Response:
        return self._place(read_body(request, DirectTrade))

    def _place(self, body: DirectTrade) -> Response:
        order = services.place_directly(
            stock_name=check_stock_name(body.stock_name),
            trade_type=body.trade_type,
            quantity=body.quantity,
        )
        return Response({"order_no": order.order_no})

    def shape_failure(self, code: int, message: str) -> dict[str, Any]:
        """Say it as the seed does."""
        return {"order_no": -1, "message": message}


class TradeList(PostHop):
    """POST: place the trades that a front end sends together; the leader of their term only."""

    body_type = messages.TradesBody

    def answer(self, body: messages.TradesBody) -> messages.AnswersBody:
        answers = services.place_trades(
            term=Term(body.term), trades=[trade.to_core() for trade in body.trades]
        )
        packed = tuple(messages.AnswerBody.from_core(answer) for answer in answers)
        return messages.AnswersBody(answers=packed)


class OrderDetail(GetHop):
    """GET: one order with its key."""

    param = "order_no"

    def show(self, value: str) -> messages.OrderBody:
        order = services.look_up(order_no=OrderNo(check_number(self.param, value)))
        return messages.OrderBody.from_core(order)


class Sync(PostHop):
    """POST: store orders from the leader, or take its heartbeat."""

    body_type = messages.AppendBody

    def answer(self, body: messages.AppendBody) -> messages.AcceptedBody:
        accepted = services.take_append(append=body.to_core())
        return messages.AcceptedBody(last=accepted.last, digest=accepted.digest)


class LogPage(MemberEndpoint):
    """GET: a page of this replica's log after an order."""

    def get(self, request: Request) -> Response:
        page = services.read_page(
            after=OrderNo(read_number(request, "after")),
            limit=min(read_number(request, "limit", 1), messages.ORDERS_MAX),
        )
        return Response(messages.PageBody.from_core(page))


class RowPage(MemberEndpoint):
    """GET: rows of this replica's log after an order, as they are stored."""

    def get(self, request: Request) -> Response:
        limit = min(read_number(request, "limit", 1), ROWS_MAX)
        return Response(rows.list_rows(after=OrderNo(read_number(request, "after")), limit=limit))


class PingDetail(GetHop):
    """GET: whether this replica is alive, and what it thinks of the leader."""

    def show(self, value: str) -> messages.PingBody:
        return wiring.ping()


class LeaderNotice(MemberEndpoint):
    """GET: who leads, as this replica knows it. POST: learn who leads now."""

    body_type = messages.NoticeBody

    def get(self, request: Request) -> Response:
        return Response(self._reign())

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.NoticeBody)
        services.take_notice(term=Term(body.term), leader=ReplicaId(body.leader))
        return Response(self._reign())

    def _reign(self) -> messages.ReignBody:
        ping = wiring.ping()
        return messages.ReignBody(term=ping.term, leader=ping.leader)


class StatusDetail(GetHop):
    """GET: what this replica tells of itself."""

    def show(self, value: str) -> ReplicaStatus:
        return wiring.status()

"""An order replica's endpoints; every one for cluster members only."""

from typing import Any

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.core.types import OrderNo, ReplicaId, Term, TradeType
from bazaar.protocol import examples, messages
from bazaar.protocol.rows import ROWS_MAX
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.web.rest import (
    MemberEndpoint,
    check_number,
    check_stock_name,
    read_body,
    read_number,
    read_param,
    read_stock_name,
    read_text,
)
from bazaar.web.router import GetHop, PostHop
from order_app import serializers, services, wiring


class DirectTrade(msgspec.Struct, frozen=True):
    """The body of the seed's trade."""

    stock_name: messages.Name
    trade_type: TradeType
    quantity: messages.Quantity


class SeedQuery(MemberEndpoint):
    """
    One order, in the seed's shape.

    GET `?order_no=` answers `{"data": {"order_no", "stock_name", "trade_type", "quantity"}}`; 404
    when there is no such order, 503 when this replica cannot know. It is for programs outside;
    front ends use `/order`.
    """

    query = examples.NumberQuery()

    def get(self, request: Request) -> Response:
        order = services.look_up(order_no=OrderNo(read_number(request, "order_no")))
        return Response(serializers.seed_order(order))


class SeedTrade(MemberEndpoint):
    """
    Place one trade at the leader, in the seed's shape.

    POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}`, or GET with the same as query,
    answers `{"order_no"}`; what failed is `{"order_no": -1, "message"}`, and 503 at a replica that
    does not lead. It has no key: twice is two trades.
    """

    body_type = DirectTrade
    query = example = DirectTrade(examples.STOCK, TradeType.BUY, 1)
    changing = frozenset({"GET", "POST"})

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
    """
    Place the trades that a front end sends together; only the leader of their term does.

    POST `{"term", "trades": [{"key", "stock_name", "trade_type", "quantity"}, ...]}` answers
    `{"answers"}`, one a trade: its order, or why it was refused. 503 at a replica that does not
    lead that term. A key that is known gets the order it has.
    """

    example = examples.TRADES
    body_type = messages.TradesBody

    def answer(self, body: messages.TradesBody) -> messages.AnswersBody:
        answers = services.place_trades(
            term=Term(body.term), trades=[trade.to_core() for trade in body.trades]
        )
        packed = tuple(messages.AnswerBody.from_core(answer) for answer in answers)
        return messages.AnswersBody(answers=packed)


class OrderDetail(GetHop):
    """
    One order with its key.

    GET `?order_no=` answers `[order_no, key, stock_name, trade_type, quantity]`; 404 when there is
    no such order. A replica that does not have it asks the ledger first.
    """

    query = examples.NumberQuery()
    param = "order_no"

    def show(self, value: str) -> messages.OrderBody:
        order = services.look_up(order_no=OrderNo(check_number(self.param, value)))
        return messages.OrderBody.from_core(order)


class Sync(PostHop):
    """
    Store orders from the leader, or take its heartbeat.

    POST `{"term", "leader", "page"}` answers `{"last", "digest"}`, the new end of this log. A page
    without orders is a heartbeat. 409 when the term is over, orders in between are missing, or the
    two logs differ. Twice is harmless: what is there is compared and skipped.
    """

    example = examples.APPEND
    body_type = messages.AppendBody

    def answer(self, body: messages.AppendBody) -> messages.AcceptedBody:
        accepted = services.take_append(append=body.to_core())
        return messages.AcceptedBody(last=accepted.last, digest=accepted.digest)


class LogPage(MemberEndpoint):
    """
    A page of this replica's log: the orders after one of them, with the digests that chain them.

    GET `?after=&limit=` answers `{"after", "previous", "orders", "digest", "last"}`, at most 5,000
    orders; 409 when the log ends before `after`. 0 is the beginning.
    """

    query = examples.PageQuery()

    def get(self, request: Request) -> Response:
        page = services.read_page(
            after=OrderNo(read_number(request, "after")),
            limit=min(read_number(request, "limit", 1), messages.ORDERS_MAX),
        )
        return Response(messages.PageBody.from_core(page))


class RowPage(MemberEndpoint):
    """
    Rows of this replica's log as they are stored, unchecked, so that an audit can see damage.

    GET `?after=&limit=` answers `{"rows": [[order_no, key, stock_name, trade_type, quantity,
    digest, null, null], ...], "last"}`, at most 5,000 rows; also while the replica is starting or
    damaged.
    """

    query = examples.PageQuery()

    def get(self, request: Request) -> Response:
        limit = min(read_number(request, "limit", 1), ROWS_MAX)
        after = OrderNo(read_number(request, "after"))
        return Response(wiring.replica().log.list_rows(after, limit))


class RowSearch(MemberEndpoint):
    """
    The newest orders of this log before one, with a text in key or stock, whatever its case.

    GET `?text=&before=&limit=` answers `{"rows": [...], "first", "last"}`, rows as in `/rows`. A
    whole key is found among all orders; else 100,000 are looked through at most, down to `first`.
    """

    query = examples.FindQuery()

    def get(self, request: Request) -> Response:
        limit = min(read_number(request, "limit", 1), ROWS_MAX)
        before, text = read_number(request, "before"), read_text(request, "text")
        return Response(wiring.replica().log.search(text, before, limit))


class PingDetail(GetHop):
    """
    Whether this replica is alive, and what it thinks of the leader.

    GET answers `{"alive order server": id, "port", "term", "leader", "last", "is_serving",
    "is_leading", "reaches_catalog"}`, from memory only.
    """

    def show(self, value: str) -> messages.PingBody:
        return wiring.ping()


class LeaderNotice(MemberEndpoint):
    """
    Who leads, as this replica knows it; and the notice of a front end that tells it.

    GET answers `{"term", "leader"}`. POST `{"term", "leader"}` answers the same once the notice is
    taken; who is named itself catches up first and then leads. 409 when a newer term is known.
    """

    example = examples.NOTICE
    body_type = messages.NoticeBody

    def get(self, request: Request) -> Response:
        return Response(self._leadership())

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.NoticeBody)
        services.take_notice(term=Term(body.term), leader=ReplicaId(body.leader))
        return Response(self._leadership())

    def _leadership(self) -> messages.LeadershipBody:
        ping = wiring.ping()
        return messages.LeadershipBody(term=ping.term, leader=ping.leader)


class StatusDetail(GetHop):
    """
    What this replica tells of itself: state, log, lag, batches, requests, events.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """

    def show(self, value: str) -> ReplicaStatus:
        return wiring.status()

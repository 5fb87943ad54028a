"""The catalog's endpoints; every one for cluster members only."""

from http import HTTPStatus
from typing import Any

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.core.failures import UnknownStock
from bazaar.core.types import OrderNo, ReplicaId, Term, TradeType
from bazaar.protocol import examples, messages
from bazaar.protocol.rows import ROWS_MAX
from bazaar.protocol.statuses import CatalogStatus
from bazaar.web.rest import (
    MemberEndpoint,
    check_stock_name,
    read_body,
    read_number,
    read_stock_name,
    read_text,
)
from bazaar.web.router import GetHop, PostHop
from catalog_app import selectors, serializers, services, wiring


class DirectTrade(msgspec.Struct, frozen=True):
    """The body of the seed's trade."""

    stock_name: messages.Name
    type: TradeType
    quantity: messages.Quantity


class SeedQuery(MemberEndpoint):
    """
    One stock as it is committed, in the seed's shape.

    GET `?stock_name=` answers `{"data": {"stock_name", "price", "trade_volume", "quantity"}}`; 404
    when there is no such stock. It is for programs outside; front ends use `/stock` and `/fill`.
    """

    query = examples.NameQuery()

    def get(self, request: Request) -> Response:
        stock = selectors.get_stock(stock_name=read_stock_name(request))
        return Response(serializers.seed_stock(stock))


class SeedTrade(MemberEndpoint):
    """
    Trade past the leader, as the seed does; the order enters the ledger all the same.

    POST `{"stock_name", "type": "buy"|"sell", "quantity"}` answers `{"message"}`; 404 with a
    message when there is no such stock or not as many shares. It has no key: twice is two trades.
    """

    body_type = DirectTrade
    example = DirectTrade(examples.STOCK, TradeType.BUY, 1)

    def post(self, request: Request) -> Response:
        body = read_body(request, DirectTrade)
        services.trade_directly(
            stock_name=body.stock_name, trade_type=body.type, quantity=body.quantity
        )
        return Response({"message": "order had been trade successfully!"})

    def shape_failure(self, code: int, message: str) -> dict[str, Any]:
        """Say it in the seed's two sentences where they apply."""
        if code == HTTPStatus.NOT_FOUND:
            is_unknown = message == UnknownStock.default_message
            message = "Stock not found!" if is_unknown else "Trade failed!"
        return {"message": message}


class StockDetail(GetHop):
    """
    One stock as it is committed, with its version.

    GET `?stock_name=` answers `{"name", "price", "quantity", "opening", "issued", "trade_volume",
    "version"}`; 404 when there is no such stock.
    """

    query = examples.NameQuery()
    param = "stock_name"

    def show(self, value: str) -> messages.StockBody:
        return messages.StockBody.from_core(services.read_stock(stock_name=check_stock_name(value)))


class StockFill(PostHop):
    """
    One stock for the memory of a front end, and whether it may keep it.

    POST `{"stock_name", "holder_id"}` answers `{"stock", "may_keep"}` and notes that the holder
    will have the stock, so that it is told of the next change. `may_keep` is false without a lease.
    """

    example = examples.FILL
    body_type = messages.FillBody

    def answer(self, body: messages.FillBody) -> messages.FilledBody:
        stock, is_kept = services.fill_stock(stock_name=body.stock_name, holder_id=body.holder_id)
        return messages.FilledBody(stock=messages.StockBody.from_core(stock), may_keep=is_kept)


class BatchCreate(PostHop):
    """
    Decide the trades of the leader of the current term, in one transaction.

    POST `{"term", "leader", "after", "trades"}` answers `{"answers", "page"}`: one answer a trade,
    and the orders that the leader's log lacks after order `after`. 409 when the term is not the
    current one, or `after` is past the ledger. A key that is known gets the order it has.
    """

    example = examples.BATCH
    body_type = messages.BatchBody

    def answer(self, body: messages.BatchBody) -> messages.BatchAnswerBody:
        return messages.BatchAnswerBody.from_core(services.place_batch(batch=body.to_core()))


class LedgerPage(MemberEndpoint):
    """
    A page of the ledger: the orders after one of them, with the digests that chain them.

    GET `?after=&limit=` answers `{"after", "previous", "orders", "digest", "last"}`, at most 5,000
    orders; 409 when the ledger ends before `after`. 0 is the beginning.
    """

    query = examples.PageQuery()

    def get(self, request: Request) -> Response:
        page = selectors.LEDGER.page(
            OrderNo(read_number(request, "after")),
            min(read_number(request, "limit", 1), messages.ORDERS_MAX),
        )
        return Response(messages.PageBody.from_core(page))


class Leadership(GetHop):
    """
    The current term and who leads it; and the claim of a front end that another should.

    GET answers `{"term", "leader"}`. POST `{"term", "leader"}` makes that replica the leader of
    `term` + 1 and answers the new leadership; 409 when `term` is over, or its leader is new and
    alive.
    """

    example = examples.NOTICE
    body_type = messages.NoticeBody

    def show(self, value: str) -> messages.LeadershipBody:
        leadership = selectors.get_leadership()
        return messages.LeadershipBody(term=leadership.term, leader=leadership.leader)

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.NoticeBody)
        leadership = services.claim_leadership(term=Term(body.term), leader=ReplicaId(body.leader))
        return Response(messages.LeadershipBody(term=leadership.term, leader=leadership.leader))


class PriceChange(MemberEndpoint):
    """
    Change a stock's price; every front end has forgotten the old one when this answers.

    POST `{"stock_name", "price"}` answers the stock with its new version; 404 when there is none. A
    price is above 0, with at most 11 digits before and 4 after the point.
    """

    example = examples.PRICE
    body_type = messages.PriceBody

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.PriceBody)
        stock = services.change_price(
            stock_name=body.stock_name, price=serializers.check_price(body.price)
        )
        return Response(messages.StockBody.from_core(stock))


class HolderRegister(MemberEndpoint):
    """
    Begin the lease of a front end whose memory is empty.

    POST `{"holder_id", "host", "control_port"}` answers `{"lease_s"}`. From now on the catalog
    tells that control port of changes, and waits for it, until the lease is over.
    """

    example = examples.HOLD
    body_type = messages.HolderBody

    def post(self, request: Request) -> Response:
        lease_s = services.register_holder(holder=read_body(request, messages.HolderBody))
        return Response(messages.LeaseBody(lease_s=lease_s))


class HolderRenew(PostHop):
    """
    Prolong the lease of a front end.

    POST `{"holder_id", "host", "control_port"}` answers `{"lease_s"}`; 404 when there is no lease
    to prolong: its holder empties its memory and registers.
    """

    example = examples.HOLD
    body_type = messages.HolderBody

    def answer(self, body: messages.HolderBody) -> messages.LeaseBody:
        return messages.LeaseBody(lease_s=services.renew_holder(holder_id=body.holder_id))


class RowPage(MemberEndpoint):
    """
    Rows of the ledger as they are stored, unchecked, so that an audit can see damage.

    GET `?after=&limit=` answers `{"rows": [[order_no, key, stock_name, trade_type, quantity,
    digest, term, version], ...], "last"}`, at most 5,000 rows.
    """

    query = examples.PageQuery()

    def get(self, request: Request) -> Response:
        after = OrderNo(read_number(request, "after"))
        return Response(selectors.LEDGER.list_rows(after, _read_limit(request)))


class RowSearch(MemberEndpoint):
    """
    The newest orders of the ledger before one, with a text in key or stock, whatever its case.

    GET `?text=&before=&limit=` answers `{"rows": [...], "first", "last"}`, rows as in `/rows`. A
    whole key is found among all orders; else 100,000 are looked through at most, down to `first`.
    """

    query = examples.FindQuery()

    def get(self, request: Request) -> Response:
        before, text = read_number(request, "before"), read_text(request, "text")
        return Response(selectors.LEDGER.search(text, before, _read_limit(request)))


class Listing(MemberEndpoint):
    """
    The stocks in the order in which they were listed, all as of one order of the ledger.

    GET `?after=&limit=` answers `{"stocks", "end", "last"}`. Ask with `after` 0 first, then with
    the `end` of the page before, until a page has no stocks.
    """

    query = examples.PageQuery()

    def get(self, request: Request) -> Response:
        after = read_number(request, "after")
        return Response(selectors.list_stocks(after=after, limit=_read_limit(request)))


def _read_limit(request: Request) -> int:
    return min(read_number(request, "limit", 1), ROWS_MAX)


class StatusDetail(GetHop):
    """
    What the catalog tells of itself: term, ledger, leases, batches, requests, events.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """

    def show(self, value: str) -> CatalogStatus:
        return wiring.status()

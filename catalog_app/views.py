"""The catalog's endpoints; every one for cluster members only."""

from http import HTTPStatus
from typing import Any

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.core.failures import UnknownStock
from bazaar.core.types import OrderNo, ReplicaId, Term, TradeType
from bazaar.hops import GetHop, PostHop
from bazaar.protocol import messages
from bazaar.protocol.rows import ROWS_MAX
from bazaar.protocol.statuses import CatalogStatus
from bazaar.rest import MemberEndpoint, check_stock_name, read_body, read_number, read_stock_name
from catalog_app import rows, selectors, serializers, services, wiring


class DirectTrade(msgspec.Struct, frozen=True):
    """The body of the seed's trade."""

    stock_name: messages.Name
    type: TradeType
    quantity: messages.Quantity


class SeedQuery(MemberEndpoint):
    """GET: one stock, in the seed's shape."""

    def get(self, request: Request) -> Response:
        stock = selectors.get_stock(stock_name=read_stock_name(request))
        return Response(serializers.seed_stock(stock))


class SeedTrade(MemberEndpoint):
    """POST: trade without a leader, as the seed does; the order enters the ledger all the same."""

    body_type = DirectTrade

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
    """GET: one stock with its version, for a cache."""

    param = "stock_name"

    def show(self, value: str) -> messages.StockBody:
        return messages.StockBody.from_core(services.read_stock(stock_name=check_stock_name(value)))


class StockFill(PostHop):
    """POST: one stock for a holder's memory, and whether it may be kept."""

    body_type = messages.FillBody

    def answer(self, body: messages.FillBody) -> messages.FilledBody:
        stock, is_kept = services.fill_stock(stock_name=body.stock_name, holder_id=body.holder_id)
        return messages.FilledBody(stock=messages.StockBody.from_core(stock), may_keep=is_kept)


class BatchCreate(PostHop):
    """POST: decide the trades of the leader of the current term."""

    body_type = messages.BatchBody

    def answer(self, body: messages.BatchBody) -> messages.BatchAnswerBody:
        return messages.BatchAnswerBody.from_core(services.place_batch(batch=body.to_core()))


class LedgerPage(MemberEndpoint):
    """GET: a page of the ledger after an order."""

    def get(self, request: Request) -> Response:
        page = selectors.get_page(
            after=OrderNo(read_number(request, "after")),
            limit=min(read_number(request, "limit", 1), messages.ORDERS_MAX),
        )
        return Response(messages.PageBody.from_core(page))


class Leadership(GetHop):
    """GET: the current term and leader. POST: claim the next term for a replica."""

    body_type = messages.NoticeBody

    def show(self, value: str) -> messages.ReignBody:
        reign = selectors.get_reign()
        return messages.ReignBody(term=reign.term, leader=reign.leader)

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.NoticeBody)
        reign = services.claim_leadership(term=Term(body.term), leader=ReplicaId(body.leader))
        return Response(messages.ReignBody(term=reign.term, leader=reign.leader))


class PriceChange(MemberEndpoint):
    """POST: change a stock's price; every cache has forgotten the old one when this answers."""

    body_type = messages.PriceBody

    def post(self, request: Request) -> Response:
        body = read_body(request, messages.PriceBody)
        stock = services.change_price(
            stock_name=body.stock_name, price=serializers.check_price(body.price)
        )
        return Response(messages.StockBody.from_core(stock))


class HolderRegister(MemberEndpoint):
    """POST: begin a lease."""

    body_type = messages.HolderBody

    def post(self, request: Request) -> Response:
        lease_s = services.register_holder(holder=read_body(request, messages.HolderBody))
        return Response(messages.LeaseBody(lease_s=lease_s))


class HolderRenew(PostHop):
    """POST: prolong a lease."""

    body_type = messages.HolderBody

    def answer(self, body: messages.HolderBody) -> messages.LeaseBody:
        return messages.LeaseBody(lease_s=services.renew_holder(holder_id=body.holder_id))


class RowPage(MemberEndpoint):
    """GET: rows of the ledger after an order, as they are stored."""

    def get(self, request: Request) -> Response:
        after = OrderNo(read_number(request, "after"))
        return Response(rows.list_rows(after=after, limit=_read_limit(request)))


class Listing(MemberEndpoint):
    """GET: stocks after a place in the listing, as of one order of the ledger."""

    def get(self, request: Request) -> Response:
        after = read_number(request, "after")
        return Response(rows.list_stocks(after=after, limit=_read_limit(request)))


def _read_limit(request: Request) -> int:
    return min(read_number(request, "limit", 1), ROWS_MAX)


class StatusDetail(GetHop):
    """GET: what the catalog tells of itself."""

    def show(self, value: str) -> CatalogStatus:
        return wiring.status()

"""The catalog's endpoints, one table; all of them for cluster members only."""

from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import msgspec

from bazaar.core.failures import UnknownStock
from bazaar.core.types import OrderNo, Position, ReplicaId, Term, TradeType
from bazaar.protocol import cache_messages, examples, leadership_messages, messages
from bazaar.protocol.statuses import CatalogStatus
from bazaar.protocol.stored_rows import ROWS_MAX, ChangesBody, FoundBody, ListingBody, RowsBody
from bazaar.runtime.engines import current
from bazaar.web.end_endpoint import make_end_endpoint
from bazaar.web.endpoint import (
    Audience,
    DescribedError,
    Endpoint,
    Environ,
    Port,
    get,
    post,
    with_index,
)
from bazaar.web.metrics_page import make_metrics_endpoint, make_targets_endpoint
from bazaar.web.probes import make_health_endpoints
from bazaar.web.spans_endpoint import make_spans_endpoint
from catalog_app import selectors, serializers, services, wiring

CONTROL = (Port.CONTROL,)
IS_INSTANT = current().is_file
"""Whether a read waits for nobody: a server may be far away, or a change under way there."""


class DirectTrade(msgspec.Struct, frozen=True):
    """The body of the seed's trade."""

    stock_name: messages.Name
    type: TradeType
    quantity: messages.Quantity


def _guard(handler: Callable[..., Any], *, is_read: bool) -> Callable[..., Any]:
    @wraps(handler)
    def check_first(*arguments: Any) -> Any:
        wiring.check_deciding()
        return wiring.grant(partial(handler, *arguments), is_read=is_read)

    return check_first


def decided(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that is refused while the catalog may not decide."""
    return _guard(handler, is_read=False)


def granted(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that reads, and is refused while the catalog may not decide."""
    return _guard(handler, is_read=True)


@granted
def query_stock(query: examples.NameQuery) -> dict[str, Any]:
    """
    Return one stock in the seed's shape.

    GET `?stock_name=` answers `{"data": {"stock_name", "price", "trade_volume", "quantity"}}`; 404
    when there is no such stock. It is for programs outside; front ends use `/read`.
    """
    return serializers.seed_stock(services.read_stock(stock_name=query.stock_name))


@decided
def trade_directly(body: DirectTrade) -> dict[str, str]:
    """
    Trade past the leader, as the seed does.

    POST `{"stock_name", "type": "buy"|"sell", "quantity"}` answers `{"message"}`; 404 with a
    message when there is no such stock or not as many shares. It has no key: twice is two trades.
    """
    services.trade_directly(
        stock_name=body.stock_name, trade_type=body.type, quantity=body.quantity
    )
    return {"message": "order had been trade successfully!"}


def shape_failed_trade(error: DescribedError, environ: Environ) -> dict[str, Any]:
    """Return a failed trade in the seed's two sentences, where they apply."""
    message = error.message
    if error.code == HTTPStatus.NOT_FOUND:
        is_unknown = message == UnknownStock.default_message
        message = "Stock not found!" if is_unknown else "Trade failed!"
    return {"message": message}


@granted
def read_stocks(body: cache_messages.ReadBody) -> cache_messages.FoundStocksBody:
    """
    Return stocks as they are committed, for the readers and cache of a front end.

    POST `{"holder_id", "stocks": [{"stock_name", "to_keep"}, ...]}` answers `{"stocks": [{"stock":
    {"name", "price", "quantity", "opening", "issued", "trade_volume", "version"}, "may_keep"},
    ...], "epoch"}`, at most 100 of them in their order; `stock` is null when there is none. With
    `to_keep` the catalog notes that the holder will have the stock, so that it is notified of the
    next change; `may_keep` is false without a lease.
    """
    wanted = {one.stock_name: one.to_keep for one in body.stocks}
    found = services.read_stocks(holder_id=body.holder_id, wanted=wanted)
    bodies = {
        name: cache_messages.FoundStockBody(
            stock=one and messages.StockBody.from_core(one[0]), may_keep=bool(one and one[1])
        )
        for name, one in zip(wanted, found, strict=True)
    }
    return cache_messages.FoundStocksBody(
        stocks=tuple(bodies[one.stock_name] for one in body.stocks), epoch=wiring.epoch()
    )


@granted
def search_stocks(query: examples.StockSearchQuery) -> messages.StocksBody:
    """
    Return stocks whose names contain a text, by name, as they are committed.

    GET `?text=&after=&limit=` answers `{"stocks", "end"}`: at most 200 stocks whose names come
    after `after`, and the last name that was looked at; null at the end of the listing. Without
    `text`, all stocks; 20,000 names are looked through at most. Nothing is noted: no front end
    keeps them.
    """
    text, after = query.text or "", query.after or ""
    return services.search_stocks(text=text, after=after, limit=query.limit)


@decided
def place_batch(body: messages.BatchBody) -> messages.BatchAnswerBody:
    """
    Decide the trades of a leader.

    POST `{"term", "leader", "after", "trades"}` answers `{"answers", "page"}`: one answer a trade,
    and the entries that the leader's log lacks after position `after`. 409 when the term is not the
    current one, or `after` is past the ledger. A key that is known gets the order it has.
    """
    return messages.BatchAnswerBody.from_core(services.place_batch(batch=body.to_core()))


def show_ledger(query: examples.PageQuery) -> messages.PageBody:
    """
    Return a page of the ledger.

    GET `?after=&limit=` answers `{"after", "order_no", "previous", "orders", "changes", "digest",
    "last"}`, at most 5,000 entries; 409 when the ledger ends before `after`. 0 is the beginning.
    While the ledger is damaged, what is whole of it can still be copied.
    """
    wiring.recovery().check()
    limit = min(query.limit, messages.ENTRIES_MAX)
    read = partial(services.read_ledger, after=Position(query.after), limit=limit)
    return messages.PageBody.from_core(wiring.grant(read, is_read=True))


@granted
def show_last() -> messages.LastBody:
    """
    Return the number of the newest order in the ledger.

    GET answers `{"last"}`; 0 before the first.
    """
    return messages.LastBody(last=services.read_last())


@granted
def show_leadership() -> leadership_messages.LeadershipBody:
    """
    Return the current term and its leader.

    GET answers `{"term", "leader"}`. POST `{"term", "leader"}` makes that replica the leader of
    `term` + 1 and answers the new leadership; 409 when `term` is over, or its leader is new and
    alive.
    """
    leadership = services.read_leadership()
    return leadership_messages.LeadershipBody(term=leadership.term, leader=leadership.leader)


@decided
def claim_leadership(body: leadership_messages.NoticeBody) -> leadership_messages.LeadershipBody:
    """Make a replica the leader of the next term."""
    leadership = services.claim_leadership(term=Term(body.term), leader=ReplicaId(body.leader))
    return leadership_messages.LeadershipBody(term=leadership.term, leader=leadership.leader)


@decided
def change_price(body: messages.PriceBody) -> messages.StockBody:
    """
    Change the price of a stock.

    POST `{"stock_name", "price"}` answers the stock with its new version; 404 when there is none;
    503 when it is changed and no leader has copied it yet. A price is above 0, with at most 11
    digits before and 4 after the point.
    """
    price = serializers.check_price(body.price)
    stock = services.change_price(stock_name=body.stock_name, price=price)
    return messages.StockBody.from_core(stock)


@granted
def register_holder(body: cache_messages.HolderBody) -> cache_messages.LeaseBody:
    """
    Begin the lease of a front end.

    POST `{"holder_id", "host", "control_port"}` answers `{"lease_s", "incarnation", "listed",
    "epoch"}`. From now on the catalog notifies that control port of changes, and waits for it,
    until the lease is over. `listed` is the place of the newest stock, see `/names`.
    """
    return services.register_holder(holder=body)


@granted
def renew_holder(body: cache_messages.HolderBody) -> cache_messages.LeaseBody:
    """
    Prolong the lease of a front end.

    POST `{"holder_id", "host", "control_port"}` answers as `/register` does; 404 when there is
    no lease to prolong: its holder empties its cache and registers.
    """
    return services.renew_holder(holder_id=body.holder_id)


@granted
def list_names(query: examples.PageQuery) -> cache_messages.NamesBody:
    """
    Return the names of stocks in the order in which they were listed.

    GET `?after=&limit=` answers `{"names", "end"}`, at most 5,000 names after a place. Ask with
    `after` 0 first, then with the `end` of the page before.
    """
    return selectors.list_names(after=query.after, limit=min(query.limit, cache_messages.NAMES_MAX))


def find_rows(query: examples.FindQuery) -> FoundBody:
    """
    Return the newest orders with a text in key or stock.

    GET `?text=&before=&limit=` answers `{"rows": [...], "first", "last"}`, rows as in `/rows`. A
    whole key is found among all orders; else 100,000 are looked through at most, down to `first`.
    """
    limit = min(query.limit, ROWS_MAX)
    return selectors.LEDGER.search(query.text, query.before, limit)


def list_rows(query: examples.PageQuery) -> RowsBody:
    """
    Return rows of the ledger as they are stored.

    GET `?after=&limit=` answers `{"rows": [[order_no, key, stock_name, trade_type, quantity,
    placed_by, digest, term, version], ...], "last"}`, at most 5,000 rows.
    """
    return selectors.LEDGER.list_rows(OrderNo(query.after), min(query.limit, ROWS_MAX))


def list_changes(query: examples.PageQuery) -> ChangesBody:
    """
    Return stock changes of the ledger as they are stored.

    GET `?after=&limit=` answers `{"changes": [[position, change_no, stock_name, price, opening,
    issued, version, digest], ...], "last"}`, at most 5,000 rows.
    """
    return selectors.LEDGER.list_changes(Position(query.after), min(query.limit, ROWS_MAX))


def list_stocks(query: examples.PageQuery) -> ListingBody:
    """
    Return stocks in the order in which they were listed.

    GET `?after=&limit=` answers `{"stocks", "end", "last"}`. Ask with `after` 0 first, then with
    the `end` of the page before, until a page has no stocks.
    """
    return selectors.list_stocks(after=query.after, limit=min(query.limit, ROWS_MAX))


def ping_active() -> leadership_messages.ActiveBody:
    """
    Tell whether this catalog is the active one.

    GET answers `{"epoch", "is_active", "is_proven"}` from memory: the newest epoch that it knows,
    whether this life of its process has claimed it, and whether the database has just said so.
    """
    return leadership_messages.ActiveBody.from_core(wiring.ping_active())


def status() -> CatalogStatus:
    """
    Return the status of the catalog.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """
    return wiring.status()


_TRADE = DirectTrade(examples.STOCK, TradeType.BUY, 1)


ENDPOINTS = (
    Endpoint("/query", get(query_stock, examples.NameQuery)),
    Endpoint(
        "/trade",
        post(trade_directly, DirectTrade, _TRADE, shape_failure=shape_failed_trade),
    ),
    Endpoint("/last", get(show_last, is_instant=IS_INSTANT)),
    Endpoint(
        "/read", post(read_stocks, cache_messages.ReadBody, examples.READ, is_instant=IS_INSTANT)
    ),
    Endpoint("/search", get(search_stocks, examples.StockSearchQuery)),
    Endpoint("/batch", post(place_batch, messages.BatchBody, examples.BATCH)),
    Endpoint("/ledger", get(show_ledger, examples.PageQuery), ports=CONTROL),
    Endpoint(
        "/leadership",
        get(show_leadership),
        post(claim_leadership, leadership_messages.NoticeBody, examples.NOTICE),
        ports=CONTROL,
    ),
    Endpoint("/price", post(change_price, messages.PriceBody, examples.PRICE), ports=CONTROL),
    Endpoint(
        "/register",
        post(register_holder, cache_messages.HolderBody, examples.HOLD),
        ports=CONTROL,
    ),
    Endpoint(
        "/renew",
        post(renew_holder, cache_messages.HolderBody, examples.HOLD),
        ports=CONTROL,
    ),
    Endpoint("/active", get(ping_active, is_instant=True), ports=CONTROL),
    Endpoint("/names", get(list_names, examples.PageQuery), ports=CONTROL),
    Endpoint("/find", get(find_rows, examples.FindQuery), ports=CONTROL),
    Endpoint("/rows", get(list_rows, examples.PageQuery), ports=CONTROL),
    Endpoint("/changes", get(list_changes, examples.PageQuery), ports=CONTROL),
    Endpoint("/stocks", get(list_stocks, examples.PageQuery), ports=CONTROL),
    Endpoint("/status", get(status), ports=CONTROL),
    *make_health_endpoints(wiring.list_checks),
    make_spans_endpoint(wiring.list_addresses),
    make_end_endpoint(),
    make_metrics_endpoint(wiring.read_metrics),
    make_targets_endpoint(wiring.list_targets),
)
SERVED_ENDPOINTS = with_index(ENDPOINTS, Port.SERVED, Audience.MEMBER)
CONTROL_ENDPOINTS = with_index(ENDPOINTS, Port.CONTROL, Audience.MEMBER)
"""Those of each port, with the list of them."""

"""An order replica's endpoints, one table; all of them for cluster members only."""

from typing import Any

import msgspec

from bazaar.core.types import (
    CatalogId,
    Epoch,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
    TradeType,
)
from bazaar.protocol import examples, leadership_messages, messages
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.protocol.stored_rows import ROWS_MAX, ChangesBody, FoundBody, RowsBody
from bazaar.web.decoding import check_stock_name
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
from bazaar.web.metrics_page import make_metrics_endpoint
from bazaar.web.probes import make_health_endpoints
from bazaar.web.spans_endpoint import make_spans_endpoint
from order_app import serializers, services, wiring

BOTH = (Port.SERVED, Port.CONTROL)
CONTROL = (Port.CONTROL,)


class DirectTrade(msgspec.Struct, frozen=True):
    """The body, or the query, of the seed's trade."""

    stock_name: messages.Name
    trade_type: TradeType
    quantity: messages.Quantity


def query_order(query: examples.NumberQuery) -> dict[str, Any]:
    """
    Return one order in the seed's shape.

    GET `?order_no=` answers `{"data": {"order_no", "stock_name", "trade_type", "quantity"}}`; 404
    when there is no such order, 503 when this replica cannot know. It is for programs outside;
    front ends use `/order`.
    """
    return serializers.seed_order(_look_up(query))


def show_order(query: examples.NumberQuery) -> messages.OrderBody:
    """
    Return one order with its key.

    GET `?order_no=` answers `[order_no, key, stock_name, trade_type, quantity, placed_by]`; 404
    when there is no such order. `placed_by` is the name of a token, or null. A replica that does
    not have it asks the ledger first.
    """
    return messages.OrderBody.from_core(_look_up(query))


def list_orders(query: examples.NewestQuery) -> messages.OrdersBody:
    """
    Return orders, the newest first.

    GET `?upto=&limit=&stock_name=&trade_type=` answers `{"orders", "first"}`: at most 200 orders
    from `upto` backwards, of a stock and of a type if they are named, and the oldest order that was
    looked at: 10,000 are looked through at most. 404 when there is no order `upto`.
    """
    orders, first = services.list_orders(
        upto=OrderNo(query.upto),
        limit=query.limit,
        stock_name=query.stock_name,
        trade_type=query.trade_type,
    )
    return messages.OrdersBody(orders=tuple(map(messages.OrderBody.from_core, orders)), first=first)


def _look_up(query: examples.NumberQuery) -> Order:
    return services.look_up(order_no=OrderNo(query.order_no))


def place_directly(body: DirectTrade) -> dict[str, int]:
    """
    Place one trade at the leader, as the seed does.

    POST `{"stock_name", "trade_type": "buy"|"sell", "quantity"}`, or GET with the same as query,
    answers `{"order_no"}`; what failed is `{"order_no": -1, "message"}`, and 503 at a replica that
    does not lead. It has no key: twice is two trades.
    """
    order = services.place_directly(
        stock_name=check_stock_name(body.stock_name),
        trade_type=body.trade_type,
        quantity=body.quantity,
    )
    return {"order_no": order.order_no}


def shape_failed_trade(error: DescribedError, environ: Environ) -> dict[str, Any]:
    """Return a failed trade in the seed's shape."""
    return {"order_no": -1, "message": error.message}


def place_trades(body: messages.TradesBody) -> messages.AnswersBody:
    """
    Place the trades that a front end sends together.

    POST `{"term", "trades": [{"key", "stock_name", "trade_type", "quantity"}, ...]}`, with
    `placed_by` where there is one, answers `{"answers"}`, one a trade: its order, or why it was
    refused. 503 at a replica that does not lead that term. A key that is known gets the order it
    has.
    """
    answers = services.place_trades(
        term=Term(body.term), trades=[trade.to_core() for trade in body.trades]
    )
    return messages.AnswersBody(answers=tuple(map(messages.AnswerBody.from_core, answers)))


def take_append(body: messages.AppendBody) -> messages.AcceptedBody:
    """
    Store entries from the leader, or take its heartbeat.

    POST `{"term", "leader", "page", "token"}` answers `{"last", "digest"}`, the new end of this
    log. A page without entries is a heartbeat. 409 when the term is over, orders in between are
    missing, the two logs differ, or the leader does not confirm the token. Twice is harmless: what
    is there is compared and skipped.
    """
    accepted = services.take_append(append=body.to_core())
    return messages.AcceptedBody(last=accepted.last, digest=accepted.digest)


def hear_epoch(body: leadership_messages.EpochBody) -> messages.DoneBody:
    """
    Follow a new active catalog.

    POST `{"epoch", "catalog"}` answers `{"done": true}` once that catalog says so itself; 503
    `not_active` when a newer one is known here, 409 `unconfirmed` when it says something else.
    What waits for another catalog is given up, and asked again there. Twice is harmless.
    """
    services.hear_epoch(epoch=Epoch(body.epoch), catalog=CatalogId(body.catalog))
    return messages.DoneBody()


def confirm(body: leadership_messages.TokenBody) -> messages.DoneBody:
    """
    Confirm to a follower that appends with a token come from this leader.

    POST `{"term", "token"}` answers `{"done": true}`; 409 when this replica does not lead that term
    with that token. It changes nothing.
    """
    services.confirm(term=Term(body.term), token=body.token)
    return messages.DoneBody()


def show_log(query: examples.PageQuery) -> messages.PageBody:
    """
    Return a page of the log.

    GET `?after=&limit=` answers `{"after", "order_no", "previous", "orders", "changes", "digest",
    "last"}`, at most 5,000 entries; 409 when the log ends before `after`. 0 is the beginning.
    """
    limit = min(query.limit, messages.ENTRIES_MAX)
    return messages.PageBody.from_core(services.read_page(after=Position(query.after), limit=limit))


def replicate(body: messages.ReplicateBody) -> messages.DoneBody:
    """
    Have an entry of the ledger copied to all replicas in sync.

    POST `{"position"}` answers `{"done"}` when it is. 503 when this replica does not lead, or too
    few took it in time. The catalog asks for it when it changed something without a leader.
    """
    services.replicate(position=Position(body.position))
    return messages.DoneBody()


def list_rows(query: examples.PageQuery) -> RowsBody:
    """
    Return rows of the log as they are stored.

    GET `?after=&limit=` answers `{"rows": [[order_no, key, stock_name, trade_type, quantity,
    placed_by, digest, null, null], ...], "last"}`, at most 5,000 rows; also while the replica is
    starting or damaged.
    """
    return wiring.replica().log.list_rows(OrderNo(query.after), min(query.limit, ROWS_MAX))


def find_rows(query: examples.FindQuery) -> FoundBody:
    """
    Return the newest orders with a text in key or stock.

    GET `?text=&before=&limit=` answers `{"rows": [...], "first", "last"}`, rows as in `/rows`. A
    whole key is found among all orders; else 100,000 are looked through at most, down to `first`.
    """
    limit = min(query.limit, ROWS_MAX)
    return wiring.replica().log.search(query.text, query.before, limit)


def show_head(query: examples.HeadQuery) -> leadership_messages.HeadBody:
    """
    Return where this log ends, for a catalog that starts.

    GET `?at=` answers `{"position", "order_no", "digest", "digest_at", "term", "leader",
    "is_damaged"}`; `digest_at` is the digest at a position, null when the log ends before. The
    entries of a damaged log cannot be had. 503 while the log is not checked yet, or differs from
    the ledger.
    """
    return services.read_head(at=Position(query.at))


def list_changes(query: examples.PageQuery) -> ChangesBody:
    """
    Return stock changes of the log as they are stored.

    GET `?after=&limit=` answers `{"changes": [[position, change_no, stock_name, price, opening,
    issued, version, digest], ...], "last"}`, at most 5,000 rows.
    """
    limit = min(query.limit, ROWS_MAX)
    return wiring.replica().log.list_changes(Position(query.after), limit)


def ping() -> leadership_messages.PingBody:
    """
    Return whether this replica is alive, and what it knows of the leader.

    GET answers `{"alive order server": id, "port", "term", "leader", "last", "is_serving",
    "is_leading", "reaches_catalog"}`, from memory only.
    """
    return wiring.ping()


def show_leader() -> leadership_messages.LeadershipBody:
    """
    Return the leader as this replica knows it.

    GET answers `{"term", "leader"}`. POST `{"term", "leader"}` answers the same once the notice is
    taken, which the catalog has to confirm; a replica that is named itself catches up first and
    then leads. 409 when it is not the current leadership.
    """
    known = wiring.ping()
    return leadership_messages.LeadershipBody(term=known.term, leader=known.leader)


def take_notice(body: leadership_messages.NoticeBody) -> leadership_messages.LeadershipBody:
    """Learn which replica leads."""
    services.take_notice(term=Term(body.term), leader=ReplicaId(body.leader))
    return show_leader()


def status() -> ReplicaStatus:
    """
    Return the status of this replica.

    GET answers an object; docs/PROTOCOL.md names its fields.
    """
    return wiring.status()


_TRADE = DirectTrade(examples.STOCK, TradeType.BUY, 1)

ENDPOINTS = (
    Endpoint("/query", get(query_order, examples.NumberQuery)),
    Endpoint(
        "/trade",
        get(
            place_directly,
            DirectTrade,
            example=_TRADE,
            changes=True,
            shape_failure=shape_failed_trade,
        ),
        post(place_directly, DirectTrade, example=_TRADE, shape_failure=shape_failed_trade),
    ),
    Endpoint("/trades", post(place_trades, messages.TradesBody, examples.TRADES)),
    Endpoint("/order", get(show_order, examples.NumberQuery)),
    Endpoint("/list", get(list_orders, examples.NewestQuery)),
    Endpoint("/ping", get(ping, is_instant=True), ports=BOTH),
    Endpoint(
        "/leader",
        get(show_leader, is_instant=True),
        post(take_notice, leadership_messages.NoticeBody, examples.NOTICE),
        ports=BOTH,
    ),
    Endpoint("/sync", post(take_append, messages.AppendBody, examples.APPEND), ports=BOTH),
    Endpoint(
        "/replicate", post(replicate, messages.ReplicateBody, examples.REPLICATE), ports=CONTROL
    ),
    Endpoint(
        "/epoch",
        post(hear_epoch, leadership_messages.EpochBody, examples.EPOCH),
        ports=CONTROL,
    ),
    Endpoint(
        "/confirm", post(confirm, leadership_messages.TokenBody, examples.CONFIRM), ports=CONTROL
    ),
    Endpoint("/log", get(show_log, examples.PageQuery), ports=CONTROL),
    Endpoint("/head", get(show_head, examples.HeadQuery), ports=CONTROL),
    Endpoint("/find", get(find_rows, examples.FindQuery), ports=CONTROL),
    Endpoint("/rows", get(list_rows, examples.PageQuery), ports=CONTROL),
    Endpoint("/changes", get(list_changes, examples.PageQuery), ports=CONTROL),
    Endpoint("/status", get(status), ports=CONTROL),
    *make_health_endpoints(wiring.list_checks),
    make_metrics_endpoint(wiring.read_metrics),
    make_spans_endpoint(),
    make_end_endpoint(),
)
SERVED_ENDPOINTS = with_index(ENDPOINTS, Port.SERVED, Audience.MEMBER)
CONTROL_ENDPOINTS = with_index(ENDPOINTS, Port.CONTROL, Audience.MEMBER)
"""Those of each port, with the list of them."""

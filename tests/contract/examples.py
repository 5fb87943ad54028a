"""
One request for every endpoint that its role answers with 200 in the cluster of `conftest`.

A bad request is an example with one thing changed, so whatever is refused is refused for that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from bazaar.core.replication import Append
from bazaar.core.types import ReplicaId, Term
from bazaar.protocol.messages import AppendBody
from tests.support.histories import STOCK, TOKEN, make_page
from tests.support.routes import HEALTH, METRICS, PUBLIC, URLCONFS

_SPOT = "@spot@"
PARAMETERS = {"name": STOCK.name, "stock_name": STOCK.name, "number": "1", "order_no": "1"}
PARAMETERS |= {"kind": "busy", "idempotency_key": str(UUID(int=1))}
"""What stands for the parameters of paths."""


@dataclass(frozen=True, slots=True)
class Example:
    """A good request; `kinds` names what each field is, by its dotted place in query or body."""

    urlconf: str
    method: str
    path: str
    """As the endpoint has it; `link` fills a parameter in."""
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.urlconf.removeprefix('bazaar.urls.')} {self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return (self.urlconf, self.path) in PUBLIC

    @property
    def target(self) -> str:
        """The path with its query."""
        return f"{self.link}?{urlencode(self.query)}" if self.query else self.link

    @property
    def link(self) -> str:
        """The path with what stands for its parameter."""
        path = self.path
        for name, text in PARAMETERS.items():
            path = path.replace(f"{{{name}}}", text)
        return path

    def is_optional(self, name: str) -> bool:
        """Tell whether a query parameter may be left out."""
        return self.kinds[name].startswith("optional")

    @property
    def content(self) -> bytes:
        """The body as it travels."""
        return b"" if self.body is None else json.dumps(self.body).encode()

    def targets_with(self, name: str, raws: list[str]) -> list[str]:
        """Return the target once for each raw text in place of a query parameter."""
        rest = urlencode({key: value for key, value in self.query.items() if key != name})
        return [f"{self.path}?{rest}&{name}={raw}" for raw in raws]

    def contents_with(self, place: str, raws: list[str]) -> list[bytes]:
        """Return the body once for each raw JSON text in place of a field."""
        body = json.loads(self.content)
        parent, last = _walk(body, place)
        parent[last] = _SPOT
        text = json.dumps(body)
        return [text.replace(f'"{_SPOT}"', raw).encode() for raw in raws]

    def content_without(self, place: str) -> bytes:
        """Return the body without a field."""
        body = json.loads(self.content)
        parent, last = _walk(body, place)
        del parent[last]
        return json.dumps(body).encode()


def _walk(body: Any, place: str) -> tuple[Any, Any]:
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    for part in parents:
        body = body[part]
    return body, last


_NAME = {"stock_name": STOCK.name}
_NAME_KIND = {"stock_name": "query name"}
_CACHED_KIND = {"stock_name": "query cached name"}
_TRADE = {"key": str(UUID(int=99)), **_NAME, "trade_type": "buy", "quantity": 1}
_TRADE_KINDS = {
    "trades": "filled list",
    "trades.0": "object",
    "trades.0.key": "uuid",
    "trades.0.stock_name": "name",
    "trades.0.trade_type": "trade type",
    "trades.0.quantity": "quantity",
}
_LEADERSHIP = {"term": 3, "leader": 2}
_LEADERSHIP_KINDS = {"term": "number", "leader": "id"}
_SEED_KINDS = {"stock_name": "name", "trade_type": "trade type", "quantity": "quantity"}
_SEED_TRADE = {**_NAME, "trade_type": "buy", "quantity": 1}
_QUERY_KINDS = {
    "stock_name": "query name",
    "trade_type": "query trade type",
    "quantity": "query quantity",
}
_HOLDER = {"holder_id": str(UUID(int=7)), "host": "127.0.0.1", "control_port": 30002}
_HOLDER_KINDS = {"holder_id": "uuid", "host": "host", "control_port": "port"}
_PAGE = {"after": 0, "limit": 10}
_PAGE_KINDS = {"after": "query place", "limit": "query number"}
_FIND = {"text": STOCK.name, "before": 0, "limit": 10}
_FIND_KINDS = {"text": "query cached name", "before": "query place", "limit": "query number"}
_APPEND = msgspec.to_builtins(
    AppendBody.from_core(Append(Term(4), ReplicaId(3), make_page(3, after=2), TOKEN))
)
_CONFIRM = {"term": 3, "token": str(TOKEN)}
_EPOCH, _EPOCH_KINDS = {"epoch": 0, "catalog": 1}, {"epoch": "place", "catalog": "id"}
_CONFIRM_KINDS = {"term": "number", "token": "uuid"}
_APPEND_KINDS = {
    **_LEADERSHIP_KINDS,
    "token": "uuid",
    "page": "object",
    "page.after": "place",
    "page.order_no": "place",
    "page.previous": "digest",
    "page.orders": "list",
    "page.orders.0": "object",
    "page.orders.0.0": "number",
    "page.orders.0.1": "uuid",
    "page.orders.0.2": "name",
    "page.orders.0.3": "trade type",
    "page.orders.0.4": "quantity",
    "page.digest": "digest",
    "page.last": "place",
}
_CHANGES = {"changes": [{"stock_name": STOCK.name, "version": 9}]}
_CHANGE_KINDS = {
    "changes": "filled list",
    "changes.0": "object",
    "changes.0.stock_name": "name",
    "changes.0.version": "number",
}
_SPANS = {"key": str(UUID(int=1)), "parents": ["0123456789abcdef"]}
_SPANS_KINDS = {"key": "uuid or null", "parents": "list"}
_END: dict[str, Any] = {"pid": 0, "up_since_s": 0.0, "signal": "KILL"}
_END_KINDS = {"pid": "place", "up_since_s": "moment", "signal": "signal"}
_CATALOG, _CATALOG_CONTROL = "bazaar.urls.catalog", "bazaar.urls.catalog_control"
_ORDER, _ORDER_CONTROL = "bazaar.urls.order", "bazaar.urls.order_control"
_FRONT, _FRONT_CONTROL = "bazaar.urls.frontend", "bazaar.urls.frontend_control"
_FILTER_KINDS = {"stock_name": "optional text", "trade_type": "optional trade type"}
_PAGE_OF_LIST = {"limit": 10, "cursor": 9}
_ORDER_NO, _ORDER_NO_KIND = {"order_no": 1}, {"order_no": "query number"}

EXAMPLES = (
    *(Example(urlconf, "GET", "/") for urlconf in URLCONFS),
    Example(_CATALOG, "GET", "/query", _NAME, None, _NAME_KIND),
    Example(_CATALOG, "GET", "/last"),
    Example(
        *(_CATALOG, "GET", "/search", {"text": STOCK.name, "after": "A", "limit": 10}, None),
        {"text": "optional text", "after": "optional text", "limit": "query page size"},
    ),
    Example(
        *(_CATALOG, "POST", "/read", {}),
        {"holder_id": _HOLDER["holder_id"], "stocks": [{**_NAME, "to_keep": True}]},
        {
            "holder_id": "uuid",
            "stocks": "filled list",
            "stocks.0": "object",
            "stocks.0.stock_name": "name",
            "stocks.0.to_keep": "truth",
        },
    ),
    Example(
        *(_CATALOG, "POST", "/trade", {}),
        {**_NAME, "type": "buy", "quantity": 1},
        {"stock_name": "name", "type": "trade type", "quantity": "quantity"},
    ),
    Example(
        *(_CATALOG, "POST", "/batch", {}),
        {**_LEADERSHIP, "after": 2, "trades": [_TRADE]},
        {**_LEADERSHIP_KINDS, "after": "place", **_TRADE_KINDS},
    ),
    Example(_CATALOG_CONTROL, "GET", "/ledger", _PAGE, None, _PAGE_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/find", _FIND, None, _FIND_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/rows", _PAGE, None, _PAGE_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/changes", _PAGE, None, _PAGE_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/stocks", _PAGE, None, _PAGE_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/names", _PAGE, None, _PAGE_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/leadership"),
    Example(_CATALOG_CONTROL, "POST", "/leadership", {}, _LEADERSHIP, _LEADERSHIP_KINDS),
    Example(
        *(_CATALOG_CONTROL, "POST", "/price", {}),
        {**_NAME, "price": 12.5},
        {"stock_name": "name", "price": "price"},
    ),
    Example(_CATALOG_CONTROL, "POST", "/register", {}, _HOLDER, _HOLDER_KINDS),
    Example(_CATALOG_CONTROL, "POST", "/renew", {}, _HOLDER, _HOLDER_KINDS),
    Example(_CATALOG_CONTROL, "GET", "/active"),
    Example(_CATALOG_CONTROL, "GET", "/status"),
    Example(_ORDER, "GET", "/query", _ORDER_NO, None, _ORDER_NO_KIND),
    Example(_ORDER, "GET", "/trade", _SEED_TRADE, None, _QUERY_KINDS),
    Example(_ORDER, "POST", "/trade", {}, _SEED_TRADE, _SEED_KINDS),
    Example(
        *(_ORDER, "POST", "/trades", {}),
        {"term": 3, "trades": [_TRADE]},
        {"term": "place", **_TRADE_KINDS},
    ),
    Example(_ORDER, "GET", "/order", _ORDER_NO, None, _ORDER_NO_KIND),
    Example(
        *(_ORDER, "GET", "/list", {"upto": 2, "limit": 10, **_NAME, "trade_type": "buy"}, None),
        {"upto": "query number", "limit": "query page size", **_FILTER_KINDS},
    ),
    Example(_ORDER, "GET", "/ping"),
    Example(_ORDER, "GET", "/leader"),
    Example(_ORDER, "POST", "/leader", {}, _LEADERSHIP, _LEADERSHIP_KINDS),
    Example(_ORDER, "POST", "/sync", {}, _APPEND, _APPEND_KINDS),
    Example(_ORDER_CONTROL, "GET", "/ping"),
    Example(_ORDER_CONTROL, "GET", "/leader"),
    Example(_ORDER_CONTROL, "POST", "/leader", {}, _LEADERSHIP, _LEADERSHIP_KINDS),
    Example(_ORDER_CONTROL, "POST", "/sync", {}, _APPEND, _APPEND_KINDS),
    Example(_ORDER_CONTROL, "POST", "/epoch", {}, _EPOCH, _EPOCH_KINDS),
    Example(_ORDER_CONTROL, "POST", "/confirm", {}, _CONFIRM, _CONFIRM_KINDS),
    Example(_ORDER_CONTROL, "GET", "/log", _PAGE, None, _PAGE_KINDS),
    Example(_ORDER_CONTROL, "GET", "/find", _FIND, None, _FIND_KINDS),
    Example(_ORDER_CONTROL, "GET", "/rows", _PAGE, None, _PAGE_KINDS),
    Example(_ORDER_CONTROL, "GET", "/changes", _PAGE, None, _PAGE_KINDS),
    Example(_ORDER_CONTROL, "GET", "/head", {"at": 0}, None, {"at": "query place"}),
    Example(
        *(_ORDER_CONTROL, "POST", "/replicate", {}, {"position": 1}),
        {"position": "number"},
    ),
    Example(_ORDER_CONTROL, "GET", "/status"),
    Example(_FRONT, "GET", "/stocks", _NAME, None, _NAME_KIND),
    Example(_FRONT, "POST", "/orders", {}, _SEED_TRADE, _SEED_KINDS),
    Example(_FRONT, "GET", "/orders", _ORDER_NO, None, _ORDER_NO_KIND),
    Example(_FRONT, "GET", "/stocks/{name}"),
    Example(_FRONT, "GET", "/orders/{number}"),
    Example(
        *(_FRONT, "GET", "/api/v1/stocks", {"q": STOCK.name, "limit": 10, "cursor": "A"}, None),
        {"q": "optional text", "limit": "optional page size", "cursor": "optional text"},
    ),
    Example(_FRONT, "GET", "/api/v1/stocks/{stock_name}"),
    Example(
        *(_FRONT, "GET", "/api/v1/orders", {**_PAGE_OF_LIST, **_NAME, "trade_type": "buy"}, None),
        {"limit": "optional page size", "cursor": "optional number", **_FILTER_KINDS},
    ),
    Example(_FRONT, "POST", "/api/v1/orders", {}, _SEED_TRADE, _SEED_KINDS),
    Example(_FRONT, "GET", "/api/v1/orders/{order_no}"),
    Example(_FRONT, "GET", "/api/v1/orders/{order_no}/trace"),
    Example(_FRONT, "GET", "/api/v1/traces/{idempotency_key}"),
    Example(_FRONT, "GET", "/api/v1/cluster"),
    Example(_FRONT, "GET", "/problems/{kind}"),
    Example(_FRONT, "GET", "/api/schema"),
    Example(_FRONT, "GET", "/leader"),
    Example(_FRONT, "GET", "/rm", _NAME, None, _CACHED_KIND),
    Example(_FRONT_CONTROL, "POST", "/invalidate", {}, _CHANGES, _CHANGE_KINDS),
    Example(_FRONT_CONTROL, "POST", "/epoch", {}, _EPOCH, _EPOCH_KINDS),
    Example(_FRONT_CONTROL, "POST", "/expect", {}, {"for_s": 0}, {"for_s": "seconds"}),
    Example(_FRONT_CONTROL, "GET", "/rm", _NAME, None, _CACHED_KIND),
    Example(_FRONT_CONTROL, "GET", "/status"),
    *(
        Example(urlconf, "POST", "/spans", {}, _SPANS, _SPANS_KINDS)
        for urlconf in (_CATALOG_CONTROL, _ORDER_CONTROL, _FRONT_CONTROL)
    ),
    *(
        Example(urlconf, "POST", "/end", {}, _END, _END_KINDS)
        for urlconf in (_CATALOG_CONTROL, _ORDER_CONTROL, _FRONT_CONTROL)
    ),
    *(Example(urlconf, "GET", path) for urlconf in URLCONFS for path in HEALTH),
    *(Example(urlconf, "GET", path) for urlconf, path in sorted(PUBLIC) if path in METRICS),
)
POSTS = [example for example in EXAMPLES if example.method == "POST"]
QUERIES = [example for example in EXAMPLES if example.query]

"""The panels: name, path and content of each page and its JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.template.loader import render_to_string
from msgspec import Struct

from bazaar.client.answers import ClientError
from bazaar.core.failures import Failure
from bazaar.core.types import ORDER_NO_MAX
from bazaar.protocol.messages import Place
from dashboard import diagram, selectors, serializers, wiring
from dashboard.cluster_view import ClusterView
from dashboard.event_feed import ClusterEvent
from dashboard.traffic_history import TrafficPoint

STOCKS_A_PAGE = 50
LATEST_SHOWN, MARKS_MAX = 8, 200
NEWEST_POINTS = 5
SEARCH_HOLD_S, TRACE_HOLD_S = 10.0, 2.0
Query = Mapping[str, str]
NUMBER_CHARS_MAX = 18


@dataclass(frozen=True, slots=True)
class DashboardPanel:
    """One page, and the same as JSON under /api."""

    name: str
    read: Callable[[Query], dict[str, Any]]
    about: str
    example: Struct | None = None
    """An example of its query."""
    read_newest: Callable[[Query], dict[str, Any]] | None = None
    """What its page gets each second, where that is less than everything."""
    hold_s: Callable[[Query], float] = lambda _: 0.0
    """For how long it is not read again, where that is longer than from poll to poll."""
    has_rest: bool = False
    """Whether its page has a form in the middle, and a second part that changes below it."""

    @property
    def title(self) -> str:
        """The heading of the page."""
        return self.name.capitalize()

    @property
    def is_index(self) -> bool:
        """Whether it is the first page, at the root."""
        return self.name == "cluster"

    @property
    def path(self) -> str:
        """The path of the page."""
        return r"^$" if self.is_index else rf"^{self.name}/?$"

    @property
    def api_path(self) -> str:
        """The path of its JSON."""
        return rf"^api/{self.name}/?$"

    @property
    def about_json(self) -> str:
        """The description of its JSON."""
        return f"{self.about}\n\nGET answers what the page {self.title} shows, as an object."

    def json_path(self, query: Query = MappingProxyType({})) -> str:
        """Return the address of the JSON of what is shown."""
        text = urlencode({name: query[name] for name in query})
        return f"/api/{self.name}" + (f"?{text}" if text else "")

    def show(self, query: Query) -> dict[str, Any]:
        """Return what it shows; it is read once for all pages until the next poll."""
        shown: dict[str, Any] = self._cached("show", query, lambda: self.read(query))
        return shown

    def select(self, query: Query) -> Query:
        """Return what it takes of a query: the rest would be cached for nothing."""
        names = self.example.__struct_fields__ if self.example else ()
        return {name: query[name] for name in names if name in query}

    def render(self, query: Query) -> str:
        """Return the part of the page that changes, cached in the same way."""
        live: str = self._cached("render", query, lambda: self._render(self.name, query))
        return live

    def render_rest(self, query: Query) -> str:
        """Return the second part that changes; nothing for a page without one."""
        if not self.has_rest:
            return ""
        name = f"{self.name}_rest"
        rest: str = self._cached("rest", query, lambda: self._render(name, query))
        return rest

    def _render(self, name: str, query: Query) -> str:
        shown = self.read_newest(query) if self.read_newest else self.show(query)
        template = f"dashboard/live/{name}.html"
        return render_to_string(template, {**shown, "json": self.json_path(query)})

    def _cached(self, kind: str, query: Query, make: Callable[[], Any]) -> Any:
        at_s, hold_s = wiring.collector().view().at_s, self.hold_s(query)
        key = kind, self.name, *sorted(query.items())
        return wiring.render_cache().get(key, at_s // hold_s if hold_s else at_s, make)


def render_health() -> str:
    """Return the line above every page: health, leader, term, and what is not well."""
    view = wiring.collector().view()
    line: str = wiring.render_cache().get("health", view.at_s, lambda: _render_health(view))
    return line


def _render_health(view: ClusterView) -> str:
    return render_to_string("dashboard/live/health.html", serializers.show_health(view))


def _cluster(query: Query) -> dict[str, Any]:
    collector = wiring.collector()
    view, points = collector.view(), collector.history.points()
    return {
        **serializers.show_view(view),
        "traffic": serializers.show_points(points[-1:])[0] if points else None,
        "latest": serializers.show_events(_list_latest(LATEST_SHOWN)),
        "picture": diagram.draw(view),
    }


def _cache(query: Query) -> dict[str, Any]:
    return serializers.show_caches(wiring.collector().view())


def _stocks(query: Query) -> dict[str, Any]:
    after = _number(query.get("after", ""))
    try:
        listing = wiring.catalog().listing(after, STOCKS_A_PAGE)
    except Failure as failure:
        return {"stocks": [], "after": after, "next": None, "fault": failure.message}
    is_more = len(listing.stocks) == STOCKS_A_PAGE
    next_page = listing.end if is_more else None
    return {"stocks": listing.stocks, "after": after, "next": next_page, "fault": ""}


def _orders(query: Query) -> dict[str, Any]:
    text, before = _text(query), _number(query.get("before", ""))
    shown: dict[str, Any] = {"q": text, "before": before, "copies": [], "rows": [], "fault": ""}
    if order_no := _number(text):
        return {**shown, "copies": selectors.list_order_copies(order_no)}
    try:
        if text:
            page = selectors.search_orders(text=text, before=before)
        else:
            page = selectors.list_orders(before=before, last=wiring.collector().view().last)
    except Failure as failure:
        return {**shown, "fault": failure.message}
    return {**shown, **page}


def _hold_search_s(query: Query) -> float:
    """Return for how long a search is not repeated: orders never change."""
    text = _text(query)
    return SEARCH_HOLD_S if text and not _number(text) else 0.0


def _text(query: Query) -> str:
    """Return the text to search for."""
    return selectors.clean_text(query.get("q", ""))


def _events(query: Query) -> dict[str, Any]:
    text = query.get("q", "").strip()
    found = [*selectors.list_events(text=text), *selectors.list_audit_entries(text=text)]
    newest_first = sorted(found, key=itemgetter("at"), reverse=True)
    return {"q": text, "events": newest_first}


def _traffic(query: Query) -> dict[str, Any]:
    points = wiring.collector().history.points()
    return {"points": serializers.show_points(points), "marks": _marks(points)}


def _newest_traffic(query: Query) -> dict[str, Any]:
    """Return the points of the last seconds: the page keeps the others itself."""
    points = wiring.collector().history.points()
    return {"points": serializers.show_points(points[-NEWEST_POINTS:]), "marks": _marks(points)}


def _marks(points: Sequence[TrafficPoint]) -> list[dict[str, Any]]:
    return serializers.show_marks(_list_latest(MARKS_MAX), points)


def _list_latest(limit: int) -> Sequence[ClusterEvent]:
    """Return the newest events, the newest first."""
    return wiring.collector().feed.newest(limit)[::-1]


def _number(text: str) -> int:
    """Return the whole number in a text, as pages write it; 0: there is none, or an absurd one."""
    text = text.replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS_MAX):
        return 0
    return min(int(text), ORDER_NO_MAX)


def _trace(query: Query) -> dict[str, Any]:
    text = _text(query)
    shown: dict[str, Any] = {"q": text, "trace": None, "picture": None, "fault": ""}
    if not text:
        return shown
    try:
        trace = selectors.get_trace(text=text, order_no=_number(text))
    except ClientError as error:
        return {**shown, "fault": str(error)}
    return {**shown, **serializers.show_trace(trace)}


class StocksQuery(Struct, frozen=True):
    """The place in the listing to begin after."""

    after: Place = 0


class EventsQuery(Struct, frozen=True):
    """The text to search for."""

    q: str = ""


class OrdersQuery(EventsQuery, frozen=True):
    """The text to search for, and the order to search before; 0: among all."""

    before: Place = 0


class TraceQuery(Struct, frozen=True):
    """The trade to follow: the number of its order, or its key."""

    q: str = ""


PANELS = (
    DashboardPanel(
        "cluster",
        _cluster,
        "Health, leader, term, replicas, traffic, and which process reaches which.",
        has_rest=True,
    ),
    DashboardPanel("cache", _cache, "The cache of every front end, and how often it was hit."),
    DashboardPanel(
        "stocks", _stocks, "The stocks of the catalog after one of them.", StocksQuery()
    ),
    DashboardPanel(
        "orders",
        _orders,
        "One order in every log, or the newest ones with a text in key or stock.",
        OrdersQuery(),
        hold_s=_hold_search_s,
    ),
    DashboardPanel(
        "events",
        _events,
        "The newest events of the cluster and audit entries of the dashboard.",
        EventsQuery(),
    ),
    DashboardPanel(
        "traffic",
        _traffic,
        "The last 15 minutes, one point a second.",
        read_newest=_newest_traffic,
    ),
    DashboardPanel(
        "trace",
        _trace,
        "One trade followed through every process: who did what when.",
        TraceQuery(),
        read_newest=lambda _: {},
        hold_s=lambda _: TRACE_HOLD_S,
    ),
)

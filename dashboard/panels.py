"""The panels: what each is called, where it is, and what it reads; page and JSON come from here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.template.loader import render_to_string
from msgspec import Struct

from bazaar.core.failures import Failure
from bazaar.core.types import ORDER_NO_MAX, STOCK_NAME_CHARS_MAX
from bazaar.protocol.messages import Place
from dashboard import acts, lookup, picture, selectors, serializers, wiring
from dashboard.feed import Happening

STOCKS_A_PAGE = 50
LATEST_SHOWN, MARKS_MAX = 8, 200
NEWEST_POINTS = 5
SEARCH_HOLD_S = 10.0
Query = Mapping[str, str]
NUMBER_CHARS_MAX = 18


@dataclass(frozen=True, slots=True)
class Panel:
    """One page: its name is its place, its JSON is under api/."""

    name: str
    title: str
    read: Callable[[Query], dict[str, Any]]
    about: str
    asks: Struct | None = None
    """An example of its query."""
    read_newest: Callable[[Query], dict[str, Any]] | None = None
    """What its page is to get each second, where that is less than the whole."""
    hold_s: Callable[[Query], float] | None = None
    """For how long it is not read anew, where that is longer than from one asking to the next."""

    @property
    def path(self) -> str:
        """Where the page is."""
        return r"^$" if self.name == "index" else rf"^{self.name}/?$"

    @property
    def api_path(self) -> str:
        """Where its JSON is."""
        return rf"^api/{self._api}/?$"

    @property
    def page(self) -> str:
        """The template of the page."""
        return f"dashboard/{self._api}.html"

    @property
    def live(self) -> str:
        """The template of what is shown anew each second."""
        return f"dashboard/live/{self._api}.html"

    @property
    def _api(self) -> str:
        return "cluster" if self.name == "index" else self.name

    @property
    def about_json(self) -> str:
        """What its JSON is, in words."""
        return f"{self.about}\n\nGET answers what the page {self.title} shows, as an object."

    def json_path(self, query: Query = MappingProxyType({})) -> str:
        """Return the address of the JSON of what is shown."""
        text = urlencode({name: query[name] for name in query})
        return f"/api/{self._api}" + (f"?{text}" if text else "")

    def show(self, query: Query) -> dict[str, Any]:
        """Return what it shows, the same for everybody until the roles are asked again."""
        shown: dict[str, Any] = wiring.shared().get(
            (self.name, *sorted(query.items())), self._moment(query), lambda: self.read(query)
        )
        return shown

    def render(self, query: Query) -> str:
        """Return the part of the page that changes, made once like what it shows."""
        text: str = wiring.shared().get(
            ("page", self.name, *sorted(query.items())),
            self._moment(query),
            lambda: render_to_string(
                self.live, {**self._show_live(query), "json": self.json_path(query)}
            ),
        )
        return text

    def _show_live(self, query: Query) -> dict[str, Any]:
        return self.read_newest(query) if self.read_newest else self.show(query)

    def _moment(self, query: Query) -> float:
        at_s, hold_s = selectors.get_snapshot().at_s, self.hold_s(query) if self.hold_s else 0.0
        return at_s // hold_s if hold_s else at_s


def _cluster(query: Query) -> dict[str, Any]:
    snapshot = selectors.get_snapshot()
    latest = serializers.show_happenings(selectors.list_latest(limit=LATEST_SHOWN))
    return {
        **serializers.show_snapshot(snapshot),
        "latest": latest,
        "picture": picture.draw(snapshot),
    }


def _cache(query: Query) -> dict[str, Any]:
    return serializers.show_caches(selectors.get_snapshot())


def _stocks(query: Query) -> dict[str, Any]:
    after = _number(query.get("after", ""))
    try:
        listing = selectors.list_stocks(after=after, limit=STOCKS_A_PAGE)
    except Failure as failure:
        return {"stocks": [], "after": after, "next": None, "fault": failure.message}
    is_more = len(listing.stocks) == STOCKS_A_PAGE
    return {
        "stocks": listing.stocks,
        "after": after,
        "next": listing.end if is_more else None,
        "fault": "",
    }


def _orders(query: Query) -> dict[str, Any]:
    text, before = _text(query), _number(query.get("before", ""))
    shown: dict[str, Any] = {"q": text, "before": before, "copies": [], "rows": [], "fault": ""}
    if _number(text):
        copies = lookup.list_copies(_number(text))
        return {**shown, "copies": [serializers.show_copy(copy) for copy in copies]}
    try:
        last = selectors.get_snapshot().last
        found = lookup.search(text, before) if text else lookup.list_rows(before, last)
    except Failure as failure:
        return {**shown, "fault": failure.message}
    return {**shown, **serializers.show_found(found)}


def _hold_s(query: Query) -> float:
    """Return how long a search is not repeated: orders never change, and it is some work."""
    text = _text(query)
    return SEARCH_HOLD_S if text and not _number(text) else 0.0


def _text(query: Query) -> str:
    """Return what is searched for."""
    return query.get("q", "").replace("\0", "").strip()[:STOCK_NAME_CHARS_MAX]


def _events(query: Query) -> dict[str, Any]:
    text = query.get("q", "").strip()
    found = serializers.show_events(
        selectors.list_events(text=text), selectors.list_deeds(text=text)
    )
    return {"q": text, **found}


def _traffic(query: Query) -> dict[str, Any]:
    return serializers.show_traffic(selectors.list_points(), _marks())


def _newest_traffic(query: Query) -> dict[str, Any]:
    """Return the points of the last seconds: the page keeps the others itself."""
    points = selectors.list_points()
    newest = serializers.show_traffic(points[-NEWEST_POINTS:], [])
    return {**newest, "marks": serializers.show_marks(_marks(), points)}


def _marks() -> Sequence[Happening]:
    return selectors.list_latest(limit=MARKS_MAX)


def _number(text: str) -> int:
    """Return the whole number in a text; 0 when there is none, or an absurd one."""
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS_MAX):
        return 0
    return min(int(text), ORDER_NO_MAX)


class After(Struct, frozen=True):
    """From where on."""

    after: Place = 0


class Search(Struct, frozen=True):
    """What to look for."""

    q: str = ""


class OrderSearch(Search, frozen=True):
    """What to look for, and before which order; 0: among all."""

    before: Place = 0


PANELS = (
    Panel("index", "Cluster", _cluster, "Leader, term, replicas, and who reaches whom."),
    Panel(
        "cache", "Cache", _cache, "What every front end has in memory, and how often it was hit."
    ),
    Panel("stocks", "Stocks", _stocks, "The stocks of the catalog after one of them.", After()),
    Panel(
        "orders",
        "Orders",
        _orders,
        "One order in every log, or the newest ones with a text in key or stock.",
        OrderSearch(),
        hold_s=_hold_s,
    ),
    Panel("events", "Events", _events, "What happened, and what staff did, the newest.", Search()),
    Panel(
        "traffic",
        "Traffic",
        _traffic,
        "The last 15 minutes, one point a second.",
        read_newest=_newest_traffic,
    ),
)
Doing = tuple[str, type[acts.Act], str]
"""Path, what it does, and the page that shows what came of it."""
DOINGS: tuple[Doing, ...] = (
    (r"^cache/evict/?$", acts.Evict, "/cache"),
    (r"^stocks/price/?$", acts.Price, "/stocks"),
    (r"^stocks/trade/?$", acts.Trade, "/stocks"),
)
FAULTS: tuple[Doing, ...] = ((r"^faults/?$", acts.Fault, "/"),)
"""Only where there are fault buttons."""

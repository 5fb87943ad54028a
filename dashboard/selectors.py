"""What the dashboard reads: the newest snapshot, and what it keeps itself."""

from collections.abc import Sequence

from bazaar.protocol.rows import ListingBody
from dashboard import wiring
from dashboard.feed import Happening
from dashboard.history import Point
from dashboard.models import Deed, Event
from dashboard.snapshot import Snapshot

EVENTS_SHOWN_MAX = 200


def get_snapshot() -> Snapshot:
    """Return the cluster as it was found last, at most a second or two ago."""
    look = wiring.collector().look()
    return Snapshot(look.findings, look.at_s)


def get_due_ms() -> int:
    """Return in how many milliseconds the cluster will have been found anew."""
    return round(wiring.collector().due_s() * 1000)


def list_latest(*, limit: int) -> Sequence[Happening]:
    """Return what happened last, the newest first; from memory."""
    return wiring.collector().feed.newest(limit)[::-1]


def list_points() -> list[Point]:
    """Return the last 15 minutes, one point a second."""
    return wiring.collector().history.points()


def list_events(*, text: str = "") -> Sequence[Event]:
    """Return the newest events, those with a text in them if one is given."""
    events = Event.objects.order_by("-at", "-id")
    if text:
        events = events.filter(text__icontains=text) | events.filter(phrase__icontains=text)
    return list(events[:EVENTS_SHOWN_MAX])


def list_deeds(*, text: str = "") -> Sequence[Deed]:
    """Return what was done last, that with a text in it if one is given."""
    deeds = Deed.objects.order_by("-at", "-id")
    if text:
        deeds = deeds.filter(target__icontains=text) | deeds.filter(action__icontains=text)
    return list(deeds[:EVENTS_SHOWN_MAX])


def list_stocks(*, after: int, limit: int) -> ListingBody:
    """Return stocks in the order of the listing. Raises Unreachable (indefinite)."""
    return wiring.catalog().listing(after, limit)

"""What happened in the cluster, kept in the dashboard's database."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import DatabaseError
from django.db.models import Max

from bazaar import clock
from dashboard.feed import Happening
from dashboard.models import TEXT_CHARS_MAX, Event

log = logging.getLogger("bazaar.dashboard")
EVENTS_KEPT_MAX = 10_000
"""The oldest are forgotten."""
_BEGAN_S = clock.wall_s()
"""Names this process among all the dashboards that were: each counts what it notices from 1."""


def keep(happenings: Sequence[Happening]) -> None:
    """Write them down, each once; a database that fails costs the events, not the watch."""
    events = [
        Event(
            at=datetime.fromtimestamp(one.at_s, UTC),
            source=one.source,
            began_s=one.began_s or _BEGAN_S,
            no=one.no,
            phrase=one.phrase,
            text=one.text[:TEXT_CHARS_MAX],
        )
        for one in happenings
    ]
    try:
        Event.objects.bulk_create(events, ignore_conflicts=True)
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        Event.objects.filter(pk__lte=newest - EVENTS_KEPT_MAX).delete()
    except DatabaseError as error:
        log.warning("events lost count=%d reason=%s", len(events), error)

"""What the dashboard stores besides users and sessions: audit and events."""

from collections.abc import Sequence

from django.db import DatabaseError, models

from bazaar import clock
from bazaar.runtime.identity_row import IdentityRow
from bazaar.runtime.log_lines import get_log
from dashboard.event_feed import ClusterEvent

log = get_log("bazaar.dashboard")

TEXT_CHARS_MAX = 500
EVENTS_STORED_MAX = 10_000
"""Older events are deleted."""
_BEGAN_S = clock.wall_s()
"""Identifies this process among all runs of the dashboard: each counts its own events from 1."""
PERMISSIONS = {
    "browse_api": "API: read the endpoints of every process",
    "trade": "Stocks: trade",
    "change_price": "Stocks: change a price",
    "evict": "Cache: evict a stock",
    "inject_fault": "Cluster: kill, pause, resume and restart processes",
    "view_auditentry": "Audit: read it",
}
"""What a superuser may permit to staff, by code name: the page, then what is permitted there."""


class Identity(IdentityRow):
    """The cluster that is watched."""


class AuditEntry(models.Model):
    """One use of a form that changes something: user, time, target and result."""

    at = models.DateTimeField(db_index=True)
    username = models.CharField(max_length=150)
    action = models.CharField(max_length=20)
    target = models.CharField(max_length=255)
    result = models.CharField(max_length=TEXT_CHARS_MAX)

    class Meta:
        """The newest first; all permissions of the dashboard hang on this model."""

        ordering = ("-at", "-id")
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        default_permissions = ()
        permissions = tuple(PERMISSIONS.items())

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.username}: {self.action} {self.target}"


class EventRecord(models.Model):
    """One event of the cluster, and the process that reported it."""

    at = models.DateTimeField(db_index=True)
    source = models.CharField(max_length=32)
    began_s = models.FloatField()
    """When the process that reported it began, in seconds since 1970."""
    no = models.PositiveBigIntegerField()
    """Counts the events of that process."""
    phrase = models.CharField(max_length=80)
    text = models.CharField(max_length=TEXT_CHARS_MAX)
    sentence = models.CharField(max_length=TEXT_CHARS_MAX, default="")
    """The same for people; empty for events of earlier versions."""

    class Meta:
        """The newest first; each is stored once, however often it is reported."""

        ordering = ("-at", "-id")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("source", "began_s", "no"), name="an_event_is_kept_once"
            ),
        )


def store_events(events: Sequence[ClusterEvent]) -> None:
    """Store events, each once. When the database fails they are lost."""
    records = [
        EventRecord(
            at=event.at,
            source=event.source,
            began_s=event.began_s or _BEGAN_S,
            no=event.no,
            phrase=event.phrase,
            text=event.text[:TEXT_CHARS_MAX],
            sentence=event.sentence[:TEXT_CHARS_MAX],
        )
        for event in events
    ]
    try:
        EventRecord.objects.bulk_create(records, ignore_conflicts=True)
        newest = EventRecord.objects.aggregate(newest=models.Max("pk"))["newest"] or 0
        EventRecord.objects.filter(pk__lte=newest - EVENTS_STORED_MAX).delete()
    except DatabaseError as error:
        log.warning("events lost", count=len(records), reason=str(error))

"""What the dashboard keeps besides users and sessions: deeds done with its buttons, and events."""

from django.db import models

TEXT_CHARS_MAX = 500


class Deed(models.Model):
    """One use of a button that changes something: who, what, when, and how it ended."""

    at = models.DateTimeField(db_index=True)
    username = models.CharField(max_length=150)
    action = models.CharField(max_length=20)
    target = models.CharField(max_length=255)
    result = models.CharField(max_length=TEXT_CHARS_MAX)

    class Meta:
        """The newest first."""

        ordering = ("-at", "-id")
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.username}: {self.action} {self.target}"


class Event(models.Model):
    """One thing that happened in the cluster, and who told it."""

    at = models.DateTimeField(db_index=True)
    source = models.CharField(max_length=32)
    began_s = models.FloatField()
    """When the process that told it began, in seconds since 1970."""
    no = models.PositiveBigIntegerField()
    """Counts the events of that process."""
    phrase = models.CharField(max_length=80)
    text = models.CharField(max_length=TEXT_CHARS_MAX)

    class Meta:
        """The newest first; one is kept once, however often it is told."""

        ordering = ("-at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("source", "began_s", "no"), name="an_event_is_kept_once"
            ),
        )

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.source}: {self.phrase} {self.text}"

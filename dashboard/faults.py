"""
Faults on purpose: which there are, and who carries them out.

What `manage.py cluster` does by hand, by the same functions; they are handed in, since a room knows
nothing of how a cluster is run (ADR 19).
"""

from typing import Protocol

SELF = "dashboard"
VERBS = ("kill", "pause", "resume", "restart")
SELF_VERBS = ("restart",)
"""Killed or paused from its own page, the dashboard could not be brought back from there."""


class NotStruck(Exception):  # noqa: N818 - as all of ours are named
    """It was refused, or could not be done; the message says why."""


class Striker(Protocol):
    """Who breaks and mends processes."""

    def strike(self, verb: str, name: str) -> str:
        """Do one of VERBS to one process and return what was done. Raises NotStruck."""

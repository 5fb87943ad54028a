"""
Health checks: what a process needs in order to do its job.

A room lists its checks (`wiring.list_checks`); `bazaar.web.probes` answers them. A check reads
memory only, so a probe costs a process next to nothing however busy it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bazaar.runtime.storage import storage


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that a process needs."""

    name: str
    """One word."""
    problem: str = ""
    """What is wrong, as a sentence; empty: nothing."""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


ListChecks = Callable[[], tuple[HealthCheck, ...]]
"""Returns the checks of a role; it never waits."""


def check_storage() -> HealthCheck:
    """Return the check of the database: whether its last write succeeded."""
    if not storage.problem:
        return HealthCheck("storage")
    return HealthCheck("storage", f"Its database cannot be written ({storage.problem}).")


def are_ok(checks: tuple[HealthCheck, ...]) -> bool:
    """Return whether nothing is wrong."""
    return all(check.is_ok for check in checks)

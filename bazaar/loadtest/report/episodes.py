"""Faults as they stand in marks: from the injection to the healing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bazaar.proof.records import ELECTED, Mark

ENDS = ("healed", "not healed")


@dataclass(slots=True)
class Episode:
    """One fault."""

    fault: str
    target: str
    at_s: float
    until_s: float | None = None
    """When all was well again; None: not before the end."""
    elections: list[Mark] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return fault and target in few words: `kill-catalog` names its target."""
        is_plain = not self.target or self.target == "all" or self.fault.endswith(self.target)
        return self.fault if is_plain else f"{self.fault} ({self.target})"

    def ends_at(self, end_s: float) -> float:
        """Return when it was over, or the end of everything."""
        return end_s if self.until_s is None else self.until_s


def list_episodes(marks: Iterable[Mark]) -> list[Episode]:
    """Return the faults among marks, each with its elections."""
    found: list[Episode] = []
    for mark in sorted(marks, key=lambda mark: mark.at_s):
        if mark.what == ELECTED:
            if found and found[-1].until_s is None:
                found[-1].elections.append(mark)
        elif mark.what in ENDS:
            for episode in found:
                if episode.until_s is None and episode.target == mark.target:
                    episode.until_s = mark.at_s
        else:
            found.append(Episode(mark.what, mark.target, mark.at_s))
    return found

"""The result of an audit: which promise is broken, where, and by which order."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from bazaar.cluster import exits

FINDINGS_MAX = 10
"""Findings of one promise in one place that are listed; the rest are counted."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One broken promise."""

    invariant: str
    """I1 to I9, as in docs/INVARIANTS.md."""
    where: str
    """catalog, order-2, frontend-1, or history."""
    message: str
    """One sentence: what was expected and what was found."""
    order_no: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.invariant})"


class Verdict(msgspec.Struct, frozen=True):
    """What was checked, what is wrong, and what could not be checked."""

    findings: tuple[Finding, ...] = ()
    gaps: tuple[str, ...] = ()
    """What could not be checked, and why: a sentence each."""
    counts: dict[str, int] = {}
    """How much was checked, by its name in words."""

    @property
    def exit(self) -> int:
        """The exit status: a broken promise outweighs what could not be checked."""
        if self.findings:
            return exits.INCONSISTENT
        return exits.UNREACHABLE if self.gaps else exits.OK

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every finding as a sentence that stands for itself."""
        return tuple(map(str, self.findings))


@dataclass(slots=True)
class AuditNotes:
    """The notes of an audit in progress; bounded, however much is wrong."""

    findings: list[Finding] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def find(self, invariant: str, where: str, message: str, order_no: int | None = None) -> None:
        """Note a broken promise, unless there were many like it."""
        self._seen[invariant, where] += 1
        if self._seen[invariant, where] <= FINDINGS_MAX:
            self.findings.append(Finding(invariant, where, message, order_no))

    def count(self, invariant: str, where: str, more: int) -> None:
        """Note how many more there are of what was noted already."""
        if more:
            self._seen[invariant, where] += more

    def extend(self, findings: Iterable[Finding]) -> None:
        """Note several."""
        for one in findings:
            self.find(one.invariant, one.where, one.message, one.order_no)

    def verdict(self) -> Verdict:
        """Return it as it stands."""
        return Verdict((*self.findings, *self._rest()), tuple(self.gaps), dict(self.counts))

    def _rest(self) -> Iterator[Finding]:
        for (invariant, where), count in self._seen.items():
            if count > FINDINGS_MAX:
                more = count - FINDINGS_MAX
                yield Finding(invariant, where, f"there are {more:,} more findings of this promise")


def lines(verdict: Verdict) -> Iterator[str]:
    """Yield the findings, what was not checked, what was, and the summary."""
    yield from map(str, verdict.findings)
    for gap in verdict.gaps:
        yield f"not checked: {gap}"
    counts = (f"{count:,} {name}" for name, count in verdict.counts.items())
    yield f"looked at: {', '.join(counts) or 'nothing'}"
    yield summary(verdict)


def summary(verdict: Verdict) -> str:
    """Return the verdict in one line."""
    match verdict.exit:
        case exits.OK:
            return "every promise holds"
        case exits.UNREACHABLE:
            return "no promise is broken in what could be checked; not everything could be"
    broken = sorted({finding.invariant for finding in verdict.findings})
    return f"{len(verdict.findings)} findings; broken: {', '.join(broken)}"


def as_json(verdict: Verdict) -> str:
    """Return the verdict as one JSON object."""
    found = {
        "exit": verdict.exit,
        "summary": summary(verdict),
        "findings": [
            {**msgspec.to_builtins(finding), "sentence": str(finding)}
            for finding in verdict.findings
        ],
        "gaps": verdict.gaps,
        "counts": verdict.counts,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()

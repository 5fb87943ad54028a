"""How a verdict is shown: sentences for people, one JSON object for programs."""

from collections.abc import Iterator

import msgspec

from bazaar.cluster import exits
from bazaar.proof.verdict import Verdict


def lines(verdict: Verdict) -> Iterator[str]:
    """Yield what was found, what was not looked at, what was, and what it comes to."""
    yield from verdict.sentences
    for gap in verdict.gaps:
        yield f"not checked: {gap}"
    told = (f"{count:,} {name}" for name, count in verdict.counts.items())
    yield f"looked at: {', '.join(told) or 'nothing'}"
    yield summary(verdict)


def summary(verdict: Verdict) -> str:
    """Return what it comes to, in one line."""
    match verdict.exit:
        case exits.OK:
            return "every promise holds"
        case exits.UNREACHABLE:
            return "no promise is broken in what could be checked; not everything could be"
    broken = sorted({finding.invariant for finding in verdict.findings})
    return f"{len(verdict.findings)} findings; broken: {', '.join(broken)}"


def as_json(verdict: Verdict) -> str:
    """Return all of it as one JSON object."""
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

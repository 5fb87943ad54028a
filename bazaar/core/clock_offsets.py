"""
How far the clocks of hosts are apart.

It is estimated from requests and their answers, as NTP does it (RFC 5905). A request comes after it
was sent, and its answer is taken after it was given. So each exchange says between which two values
the offset of the receiver's clock is; together they say it more closely. Left out: drift. An offset
is for a moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, in seconds: the outer times by the sender's clock."""

    sent_s: float
    received_s: float
    answered_s: float
    returned_s: float


Links = Mapping[tuple[str, str], Sequence[Exchange]]
"""The exchanges from one clock to another."""


def estimate_offset(exchanges: Iterable[Exchange]) -> float:
    """
    Return how far the receiver's clock is ahead of the sender's, in seconds.

    It is the middle of what all exchanges allow: off by half of the quickest one at most.
    """
    known = list(exchanges)
    highest = min(one.received_s - one.sent_s for one in known)
    lowest = max(one.answered_s - one.returned_s for one in known)
    return (highest + lowest) / 2


def find_offsets(first: str, links: Links) -> dict[str, float]:
    """
    Return how far each clock is ahead of one of them, in seconds.

    A clock that no chain of exchanges leads to is not in the result.
    """
    offsets = {first: 0.0}
    neighbours = [first]
    while neighbours:
        known = neighbours.pop(0)
        for clock in sorted({one for link in links if known in link for one in link}):
            if clock not in offsets:
                exchanges = [*links.get((known, clock), ()), *_turn(links.get((clock, known), ()))]
                offsets[clock] = offsets[known] + estimate_offset(exchanges)
                neighbours.append(clock)
    return offsets


def _turn(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return exchanges as the receiver's clock has them: they bound the offset the other way."""
    return [
        Exchange(one.received_s, one.sent_s, one.returned_s, one.answered_s) for one in exchanges
    ]

"""Samples of a front end's memory while a load runs."""

import threading
from typing import Self

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.loadtest.evaluate.results import Look
from bazaar.protocol.clients import FrontEndClient
from bazaar.protocol.cluster_report import STATUS_TIMEOUT_S
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.topology import Node

LOOK_S = 0.5


class Watch:
    """Takes two samples a second, in a thread, from entering until leaving."""

    def __init__(self, node: Node, secret: bytes, ranks: dict[str, int]) -> None:
        """ranks: of the stocks by name, 1 for the one that is asked for most."""
        self._client = FrontEndClient.at(node, secret, STATUS_TIMEOUT_S)
        self._ranks = ranks
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._found: list[tuple[float, FrontEndStatus]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_S):
            try:
                status = self._client.status()
            except Failure:
                continue  # the next look is soon
            self._found.append((clock.monotonic_s(), status))

    def looks(self) -> list[Look]:
        """Return the samples, from the last one before the first request on."""
        found = self._found
        last_idle = 0
        for number, (_, status) in enumerate(found):
            if (status.hits, status.misses) == (found[0][1].hits, found[0][1].misses):
                last_idle = number
        return [look(self._ranks, found[last_idle], one) for one in found[last_idle:]]


def look(
    ranks: dict[str, int], first: tuple[float, FrontEndStatus], now: tuple[float, FrontEndStatus]
) -> Look:
    """Return a sample made of a status, counted since the first."""
    (first_s, before), (now_s, status) = first, now
    return Look(
        at_s=round(now_s - first_s, 2),
        ranks=tuple(sorted(ranks[one.stock_name] for one in status.cached)),
        hits=status.hits - before.hits,
        misses=status.misses - before.misses,
        evictions=status.evictions - before.evictions,
    )

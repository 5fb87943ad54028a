"""What one catalog counts since its process began."""

import threading
from dataclasses import dataclass, field

from bazaar.core.histogram import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram


@dataclass(slots=True)
class Counts:
    """Counts since the process began."""

    batches: int = 0
    trades: int = 0
    stock_reads: int = 0
    """Stocks that front ends have read."""
    sizes: Histogram = field(default_factory=lambda: Histogram(SIZE_BOUNDS))
    """Batches by the number of their trades."""
    invalidations: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    """Changes by how long front ends took to forget them, in seconds."""
    _reads: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, requested: int, placed: int) -> None:
        """Count one batch and its trades; the caller holds the writer's lock."""
        self.batches += 1
        self.trades += placed
        self.sizes.add(requested)

    def add_reads(self, stocks: int) -> None:
        """Count stocks that were read."""
        with self._reads:
            self.stock_reads += stocks

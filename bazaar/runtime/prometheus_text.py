"""A scrape as Prometheus reads it; loaded with the first one (docs/adr/0045)."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bazaar.core.histogram import LATENCY_BOUNDS_S, Histogram
from bazaar.runtime.metric_families import FAMILY_BY_NAME, MetricKind
from bazaar.runtime.prometheus import MetricPage, ReadMetrics, Value

LATENCY_STEP = 4
"""Every fourth bound of our histograms of durations is shown: 1 us, 4 us, 16 us to 67 s."""


class _PageCollector(Collector):
    """Makes families of Prometheus of one page."""

    def __init__(self, read: ReadMetrics) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        page = MetricPage()
        self._read(page)
        for name, samples in page.values.items():
            yield _make_family(name, samples)


def _make_family(name: str, samples: list[tuple[tuple[str, ...], Value]]) -> Metric:
    family = FAMILY_BY_NAME[name]
    if family.kind is MetricKind.HISTOGRAM:
        histograms = HistogramMetricFamily(name, family.help, labels=family.labels)
        for labels, histogram in samples:
            assert isinstance(histogram, Histogram), f"{name} is a histogram"
            buckets = list(_list_buckets(histogram))
            histograms.add_metric(labels, buckets, sum_value=histogram.total)
        return histograms
    kind = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
    found = kind(name, family.help, labels=family.labels)
    for labels, value in samples:
        assert not isinstance(value, Histogram), f"{name} is no histogram"
        found.add_metric(labels, value)
    return found


def _list_buckets(histogram: Histogram) -> Iterator[tuple[str, float]]:
    """Yield the upper end of each bucket that is shown, and the values up to there."""
    step = LATENCY_STEP if histogram.bounds == LATENCY_BOUNDS_S else 1
    totals = list(accumulate(histogram.counts))
    for at in range(0, len(histogram.bounds), step):
        yield repr(histogram.bounds[at]), totals[at]
    yield "+Inf", totals[-1]


def encode_metrics(read: ReadMetrics) -> bytes:
    """Return one scrape of this process."""
    scrape = CollectorRegistry()
    scrape.register(_PageCollector(read))
    scrape.register(PROCESS_COLLECTOR)
    return generate_latest(scrape)

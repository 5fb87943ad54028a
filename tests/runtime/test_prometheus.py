"""What a scrape shows is what the process has counted (docs/METRICS.md)."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bazaar.core.histogram import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram
from bazaar.runtime.metric_families import FAMILIES, MetricKind
from bazaar.runtime.prometheus import MetricPage
from bazaar.runtime.prometheus_text import encode_metrics

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "METRICS.md"


def read(page_of: MetricPage) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what Prometheus reads: the value of each name and labels."""

    def copy(page: MetricPage) -> None:
        page.values.update(page_of.values)

    text = encode_metrics(copy).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_values_and_labels_arrive() -> None:
    page = MetricPage()
    page.add("bazaar_term", 7)
    page.add("bazaar_check_ok", 0, "disk")
    page.add("bazaar_trades_total", 3, "placed")
    page.add("bazaar_poll_age_seconds", None)
    found = read(page)
    assert found["bazaar_term", ()] == 7
    assert found["bazaar_check_ok", (("check", "disk"),)] == 0
    assert found["bazaar_trades_total", (("outcome", "placed"),)] == 3
    assert not any(name == "bazaar_poll_age_seconds" for name, _ in found)


def test_a_histogram_counts_and_sums_as_ours_does() -> None:
    histogram, page = Histogram(LATENCY_BOUNDS_S), MetricPage()
    for value in (0.5e-6, 3e-6, 0.01, 500.0):
        histogram.add(value)
    page.add("bazaar_commit_duration_seconds", histogram)
    found = read(page)
    name = "bazaar_commit_duration_seconds"
    assert found[f"{name}_count", ()] == 4
    assert found[f"{name}_sum", ()] == pytest.approx(500.0100035)
    ends = {float(labels[0][1]): value for (key, labels), value in found.items() if "bucket" in key}
    assert (ends[1e-6], ends[4e-6], ends[float("inf")]) == (1, 2, 4)
    assert set(ends) <= {*LATENCY_BOUNDS_S, float("inf")}
    assert len(ends) == 15


def test_sizes_are_shown_with_all_their_bounds() -> None:
    sizes, page = Histogram(SIZE_BOUNDS), MetricPage()
    sizes.add(3)
    page.add("bazaar_batch_trades", sizes)
    found = read(page)
    assert found["bazaar_batch_trades_bucket", (("le", "2.0"),)] == 0
    assert found["bazaar_batch_trades_bucket", (("le", "4.0"),)] == 1
    assert found["bazaar_batch_trades_sum", ()] == 3


def test_labels_are_those_of_the_table() -> None:
    with pytest.raises(AssertionError, match="has labels"):
        MetricPage().add("bazaar_trades_total", 1)
    with pytest.raises(KeyError):
        MetricPage().add("bazaar_unknown", 1)


def test_the_document_lists_each_metric_with_its_unit() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `bazaar_")
    ]
    assert rows == [
        (
            f"`{family.name}`",
            family.kind,
            family.unit,
            ", ".join(f"`{label}`" for label in family.labels) or "-",
            family.roles,
            family.help,
        )
        for family in FAMILIES
    ]


def test_names_follow_prometheus() -> None:
    for family in FAMILIES:
        assert family.name.startswith("bazaar_")
        assert family.name.endswith("_total") == (family.kind is MetricKind.COUNTER)
        assert ("seconds" in family.name) == (family.unit == "seconds")
        assert ("bytes" in family.name) == (family.unit == "bytes")
        assert family.help.endswith(".")

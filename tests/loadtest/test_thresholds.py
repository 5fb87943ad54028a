"""Conditions on a summary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.summary import OperationSummary, Summary
from bazaar.loadtest.thresholds import read_threshold

SUMMARY = Summary(
    options={},
    started="",
    duration_s=10.0,
    operations={
        "query": OperationSummary(
            count=90, ok=88, errors={"not_found": 2}, rate_per_s=8.8, p99_ms=4.0, p999_ms=40.0
        ),
        "trade": OperationSummary(count=10, ok=0, errors={"refused": 10}),
    },
    longest_gap_s=1.5,
    failovers=2,
    hit_ratio=0.75,
)


@pytest.mark.parametrize(
    ("text", "verdict", "measured"),
    [
        ("query_p99<5ms", "met", 4.0),
        ("query_p99<4ms", "missed", 4.0),
        ("query_p99<=4ms", "met", 4.0),
        ("query_p99 > 0.001s", "met", 4.0),
        ("query_p99.9<50ms", "met", 40.0),
        ("query_p999<50ms", "met", 40.0),
        ("query_rate>=8.8", "met", 8.8),
        ("query_errors<1", "missed", 2),
        ("query_count>89", "met", 90),
        ("trade_p99<1s", "missed", None),
        ("trade_errors<1", "met", 0),
        ("order_p50<1s", "missed", None),
        ("errors<3", "met", 2),
        ("error_rate<2%", "missed", 0.02),
        ("error_rate<0.021", "met", 0.02),
        ("hit_ratio>50%", "met", 0.75),
        ("longest_gap<2s", "met", 1500.0),
        ("longest_gap<1499ms", "missed", 1500.0),
        ("failovers<=2", "met", 2),
        ("rate>8", "met", 8.8),
        ("count>=100", "met", 100),
    ],
)
def test_a_summary_is_held_against_a_threshold(
    text: str, verdict: str, measured: float | None
) -> None:
    result = read_threshold(text).judge(SUMMARY)
    assert (result.text, result.is_met, result.measured) == (text, verdict == "met", measured)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "trade_p99",
        "trade_p99<",
        "trade_p99<50",
        "trade_p99=50ms",
        "trade_p98<50ms",
        "trade_rate>50ms",
        "count<5%",
        "error_rate<1s",
        "hit_rate>1",
        "trade_p99<50ms;",
        "query_<1",
        "_p99<1ms",
    ],
)
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="--threshold") as refusal:
        read_threshold(text)
    assert refusal.value.status == exits.USAGE


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_threshold(text).judge(SUMMARY)
    except CommandFailed as refusal:
        assert "\n" not in str(refusal) or "\n" in text  # noqa: PT017

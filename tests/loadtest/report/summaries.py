"""Summaries of runs that never were."""

from collections.abc import Iterator
from typing import Any

from bazaar.loadtest.summary import OperationSummary, Second, Summary, ThresholdResult
from bazaar.proof.records import OPERATION_KINDS, Mark, Sample

MARKS = (
    Mark(at_s=3.0, what="kill-leader", target="order-3", term=1),
    Mark(at_s=3.4, what="elected", target="order-2", term=2),
    Mark(at_s=5.5, what="healed", target="order-3", term=2),
    Mark(at_s=7.0, what="kill-catalog", target="catalog", term=2),
)


def operation(**facts: Any) -> OperationSummary:
    told: dict[str, Any] = {
        "count": 100,
        "ok": 98,
        "errors": {"not_found": 2},
        "rate_per_s": 9.8,
        "min_ms": 0.5,
        "mean_ms": 1.5,
        "p50_ms": 1.0,
        "p90_ms": 2.0,
        "p95_ms": 3.0,
        "p99_ms": 4.0,
        "p999_ms": 5.0,
        "max_ms": 1234.5,
        "percentiles": ((0.0, 0.5), (50.0, 1.0), (90.0, 2.0), (99.0, 4.0), (100.0, 1234.5)),
    }
    return OperationSummary(**{**told, **facts})


def series(seconds: int) -> Iterator[Second]:
    for at_s in range(seconds):
        for kind in OPERATION_KINDS:
            yield Second(
                at_s=at_s, kind=kind, count=10, errors=at_s % 2, p50_ms=1, p95_ms=2, p99_ms=4
            )


def summary(**facts: Any) -> Summary:
    told: dict[str, Any] = {
        "options": {"clients": 8, "p": 0.4, "urls": ["http://127.0.0.1:1"], "chaos": None},
        "started": "2026-11-23T03:19:57Z",
        "duration_s": 9.0,
        "warmup_s": 1.0,
        "operations": {kind: operation() for kind in OPERATION_KINDS},
        "longest_gap_s": 0.42,
        "failovers": 1,
        "hit_ratio": 0.5,
        "marks": MARKS,
        "samples": tuple(
            Sample(at_s=at_s, leader=3, term=1, hit_ratio=0.5, lag_orders={"order-1": at_s})
            for at_s in range(10)
        ),
        "series": tuple(series(10)),
        "thresholds": (ThresholdResult(text="trade_p99<50ms", measured=None, is_met=False),),
        "proof": (),
        "proof_counts": {"orders": 12345},
    }
    return Summary(**{**told, **facts})

"""Evaluations that never were."""

from typing import Any

from bazaar.loadtest.evaluate.results import Evaluation, Latencies, Look, Machine, Outcome, Recovery
from bazaar.loadtest.evaluate.steps import Effort, Step, list_steps
from tests.loadtest.report.summaries import summary

EFFORT = Effort(seconds=10.0)
MACHINE = Machine(
    processor="Abacus",
    cores=2,
    memory_gib=4.0,
    system="Linux 6",
    python="3.11",
    packages={"django": "5.2"},
)
RECOVERY = Recovery(
    at_s=3.0, fault="kill-leader", target="order-3", elected_s=0.4, pause_s=0.42, healed_s=None
)


def latencies(p50_ms: float) -> Latencies:
    return Latencies(count=1000, p50_ms=p50_ms, p95_ms=2 * p50_ms, p99_ms=3 * p50_ms)


def outcome(step: Step, hit_ms: float = 1.0, **facts: Any) -> Outcome:
    groups = {"hit": hit_ms, "miss": 3.0} if step.is_cached else {"request": 4.0}
    looks = tuple(
        Look(at_s=n / 2, ranks=(1, n + 2), hits=6 * n, misses=4 * n, evictions=3 * n)
        for n in range(20)
    )
    told: dict[str, Any] = {
        "summary": summary(),
        "by_cache": {group: latencies(ms) for group, ms in groups.items()},
        "recoveries": (RECOVERY,) if step.name == "crashes" else (),
        "looks": looks if step.is_small else (),
        **facts,
    }
    return Outcome(step=step, command="manage.py loadtest ...", **told)


def evaluation(hit_ms: float = 1.0, **facts: Any) -> Evaluation:
    return Evaluation(
        machine=MACHINE,
        started="2026-11-23T03:19:57+00:00",
        took_s=481.0,
        effort=EFFORT,
        stocks=469,
        best_share=0.674,
        outcomes=tuple(outcome(step, hit_ms, **facts) for step in list_steps(EFFORT)),
    )

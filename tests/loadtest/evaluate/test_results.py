"""What an evaluation says follows from what was measured."""

import os
from typing import Any

import pytest
from django.core.management import load_command_class

from bazaar.cluster.exits import ERRORS, INCONSISTENT, OK
from bazaar.loadtest.evaluate import command, text
from bazaar.loadtest.evaluate.results import (
    SETTLE_S,
    Evaluation,
    Latencies,
    find_recoveries,
    split_by_cache,
    summarize,
)
from bazaar.loadtest.evaluate.runner import share_of_most_popular
from bazaar.loadtest.evaluate.sampler import look
from bazaar.loadtest.evaluate.steps import (
    P_VALUES,
    SECONDS_DEFAULT,
    SECONDS_MAX,
    SECONDS_MIN,
    Effort,
    list_steps,
    warm_up,
)
from bazaar.loadtest.options import read_options
from bazaar.loadtest.profiles import Weighted
from bazaar.proof.records import Done
from bazaar.protocol.statuses import CachedStock, FrontEndStatus
from tests.loadtest.evaluate.evaluations import evaluation
from tests.loadtest.report.summaries import MARKS, summary

WHOLE_S_MAX = 15 * 60
OVERHEAD_S = 8.0
"""Of a step, for start and proof."""


def done(kind: Any = "query", at_s: float = 2.0, took_s: float = 0.001, **facts: Any) -> Done:
    told: dict[str, Any] = {"outcome": "ok", "client": 0, "url": 0, "sent_s": at_s, **facts}
    return Done(kind=kind, intended_s=at_s, done_s=at_s + took_s, **told)


# Steps


def test_every_p_is_measured_with_and_without_the_cache() -> None:
    steps = list_steps(Effort())
    assert {(step.p, step.is_cached) for step in steps} >= {
        (p, is_cached) for p in P_VALUES for is_cached in (True, False)
    }
    assert [step.name for step in steps if "--no-cache" in step.options] == [
        step.name for step in steps if not step.is_cached
    ]
    assert len({step.name for step in steps}) == len(steps)


@pytest.mark.parametrize("seconds", [SECONDS_MIN, SECONDS_DEFAULT, SECONDS_MAX])
def test_loadtest_takes_the_options_of_every_step(seconds: float) -> None:
    parser = load_command_class("bazaar", "loadtest").create_parser("manage.py", "loadtest")
    for step in [*list_steps(Effort(seconds=seconds)), warm_up(Effort())]:
        options = vars(parser.parse_args([*step.options, "--url", "http://127.0.0.1:1"]))
        load = read_options(options, dict(os.environ))
        assert load.plan.duration_s == pytest.approx(step.seconds)
        assert load.plan.p == step.p
        assert load.plan.is_fresh is not step.is_cached
        assert (load.chaos is not None) is (step.name == "crashes")


def test_the_whole_takes_less_than_a_quarter_of_an_hour() -> None:
    steps = list_steps(Effort())
    assert sum(step.seconds + OVERHEAD_S for step in steps) < WHOLE_S_MAX


# Numbers


def test_look_ups_are_told_apart_by_where_they_came_from() -> None:
    records = [
        *(done(cache="hit", took_s=0.001 * n) for n in range(1, 101)),
        done(cache="miss", took_s=0.004),
        done(cache="shared", took_s=0.006),
        done(cache="request", took_s=0.005),
    ]
    found = split_by_cache(records)
    assert found["hit"] == Latencies(count=100, p50_ms=50.0, p95_ms=95.0, p99_ms=99.0)
    assert (found["miss"].count, found["request"].p50_ms) == (2, 5.0)


def test_a_latency_counts_from_when_the_look_up_was_due() -> None:
    late = Done(
        client=0,
        kind="query",
        url=0,
        intended_s=2.0,
        sent_s=2.5,
        done_s=2.6,
        outcome="ok",
        cache="hit",
    )
    assert split_by_cache([late])["hit"].p50_ms == pytest.approx(600)


@pytest.mark.parametrize(
    "other",
    [
        done(kind="trade"),
        done(cache="bypass"),
        done(cache=None),
        done(cache="hit", outcome="not_found"),
        done(cache="hit", at_s=SETTLE_S / 2),
        Done(
            client=0, kind="query", url=0, intended_s=2, sent_s=2, outcome="indefinite", cache="hit"
        ),
    ],
)
def test_what_is_neither_hit_nor_miss_does_not_count(other: Done) -> None:
    assert split_by_cache([other]) == {}


def test_one_latency_is_all_its_percentiles() -> None:
    assert summarize([7.0]) == Latencies(count=1, p50_ms=7.0, p95_ms=7.0, p99_ms=7.0)


def test_a_recovery_is_told_by_the_trades_around_it() -> None:
    trades = [done("trade", at_s, took_s=0.1) for at_s in (1.0, 2.8, 3.4, 5.0, 7.5)]
    killed, catalog = find_recoveries([*MARKS, *reversed(trades), done("trade", 6, outcome="busy")])
    assert (killed.elected_s, killed.healed_s) == (0.4, 2.5)
    assert killed.pause_s == pytest.approx(1.6)
    assert catalog.pause_s == pytest.approx(2.5)
    assert (catalog.elected_s, catalog.healed_s) == (None, None)


def test_a_fault_after_the_last_trade_has_no_pause() -> None:
    assert [one.pause_s for one in find_recoveries(MARKS)] == [None, None]


def test_the_best_share_is_that_of_the_most_popular() -> None:
    stocks = [Weighted("a", 1), Weighted("b", 6), Weighted("c", 3)]
    assert share_of_most_popular(stocks, 2) == 0.9


def test_a_look_at_the_memory_counts_from_the_first() -> None:
    def status(hits: int) -> FrontEndStatus:
        cached = tuple(
            CachedStock(stock_name=name, version=1, quantity=1) for name in ("b", "a")[:hits]
        )
        base: dict[str, Any] = {"role": "frontend", "id": 1, "pid": 1, "up_since_s": 0.0}
        return FrontEndStatus(
            is_ready=True, lease_left_s=1.0, hits=hits, misses=5, cached=cached, **base
        )

    found = look({"a": 1, "b": 7}, (10.0, status(0)), (11.5, status(2)))
    assert (found.at_s, found.ranks, found.hits, found.misses) == (1.5, (1, 7), 2, 0)


# Claims


def page_of(found: Evaluation) -> str:
    return " ".join(text.render(found).split())


def test_the_page_claims_that_hits_are_faster_only_if_they_are() -> None:
    fast, slow = page_of(evaluation(hit_ms=1.0)), page_of(evaluation(hit_ms=3.0))
    claim = "At every p the median hit is faster than the median miss, 3.0 to 3.0 times."
    assert (claim in fast, "At every p" in slow) == (True, False)
    assert "**not** faster than the median miss at p = 0, 0.2, 0.4" in slow
    nothing = page_of(evaluation(by_cache={}))
    assert "There were no hits and misses to be compared." in nothing


def test_the_page_claims_that_all_held_only_if_it_did() -> None:
    assert "After each of 12 runs every acknowledged order was read back" in page_of(evaluation())
    lost = text.render(evaluation(summary=summary(proof=("Order 7 is lost.",))))
    assert "Promises were **broken**:\n\n- p = 0 with cache: Order 7 is lost.\n- p = 0" in lost
    unseen = text.render(evaluation(summary=summary(proof_gaps=("order-3 was down.",))))
    assert "not everything could be looked at:\n\n- p = 0 with cache: order-3 was" in unseen
    assert "Nothing was lost" not in lost + unseen
    assert "No run was followed by a proof." in page_of(evaluation(summary=summary(proof=None)))


def test_a_broken_promise_outweighs_a_slow_cache() -> None:
    broken = evaluation(hit_ms=9.0, summary=summary(proof=("Order 7 is lost.",)))
    assert command.status_of(evaluation()) == OK
    assert command.status_of(evaluation(hit_ms=9.0)) == ERRORS
    assert command.status_of(broken) == INCONSISTENT
    assert command.complaints(evaluation()) == []
    assert "crashes: Order 7 is lost." in command.complaints(broken)
    assert "p = 0.2: the median hit is no faster than the median miss." in (
        command.complaints(broken)
    )

"""
The page of an evaluation, in Markdown.

What it claims is computed from what was measured: where a claim does not hold, it says so.
"""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.template import Context, Engine

from bazaar.loadtest.evaluate.results import Evaluation, Latencies, Outcome, Recovery
from bazaar.loadtest.evaluate.steps import CHAOS_P, CRASH_CLIENTS, FAULTS, SMALL_CACHE
from bazaar.loadtest.summary import NAMES
from bazaar.proof.records import OPERATION_KINDS

LINE_MAX = 100
_SECONDS_A_MINUTE = 60


def render(evaluation: Evaluation) -> str:
    """Return the page."""
    engine = Engine(dirs=[str(Path(__file__).parent)])
    facts = {
        name: wrap(value) if name.endswith("_text") else value
        for name, value in _facts(evaluation).items()
    }
    return str(engine.get_template("readme.md").render(Context(facts, autoescape=False)))


def _facts(evaluation: Evaluation) -> dict[str, Any]:
    small, crashes = evaluation.find("small-cache"), evaluation.find("crashes")
    return {
        "started": evaluation.started,
        "took": _minutes(evaluation.took_s),
        "machine": evaluation.machine,
        "effort": evaluation.effort,
        "stocks": evaluation.stocks,
        "by_p_table": by_p_table(evaluation),
        "by_p_text": by_p_text(evaluation),
        "hits_table": hits_table(evaluation),
        "hits_text": hits_text(evaluation),
        "small": small,
        "small_cache": SMALL_CACHE,
        "small_text": small_text(evaluation, small) if small else "",
        "crashes": crashes,
        "faults_text": faults_text(evaluation),
        "crashes_table": crashes_table(crashes.recoveries) if crashes else "",
        "crashes_text": crashes_text(crashes) if crashes else "",
        "proof_text": proof_text(evaluation.outcomes),
        "commands": [one.command for one in evaluation.outcomes],
    }


def wrap(text: str) -> str:
    """Break a text into lines that fit a page; list items stay whole."""
    return "\n".join(
        line if line.startswith("- ") else textwrap.fill(line, LINE_MAX)
        for line in text.splitlines()
    )


def _minutes(seconds: float) -> str:
    whole, rest = divmod(round(seconds), _SECONDS_A_MINUTE)
    return f"{whole} min {rest} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is words and whose others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


# Latency against p


def by_p_table(evaluation: Evaluation) -> str:
    """Return median and p99 of every kind of operation at every p."""
    head = ["p, cache"]
    for kind in OPERATION_KINDS:
        head += [f"{NAMES[kind]} p50", "p99"]
    rows = []
    for with_cache, without in _pairs(evaluation):
        for outcome, word in ((with_cache, "with"), (without, "without")):
            cells = [f"{outcome.step.p:g}, {word}"]
            for kind in OPERATION_KINDS:
                one = outcome.summary.operations.get(kind)
                has_any = one is not None and one.ok > 0
                cells += [_ms(one.p50_ms), _ms(one.p99_ms)] if one and has_any else ["-", "-"]
            rows.append(cells)
    return _table(head, rows)


def by_p_text(evaluation: Evaluation) -> str:
    """Say what the cache does to look-ups and to trades."""
    lines = [
        f"At p = {a.step.p:g} the median look-up takes {_p50(a, 'query')} with the cache and "
        f"{_p50(b, 'query')} without it{_factor(a, b)}."
        for a, b in _pairs(evaluation)[:: max(1, len(_pairs(evaluation)) - 1)]
        if "query" in _kinds(a) & _kinds(b)
    ]
    trades = [one for pair in _pairs(evaluation) for one in pair if "trade" in _kinds(one)]
    if trades:
        medians = [one.summary.operations["trade"].p50_ms for one in trades]
        lines.append(
            f"The median trade takes {_ms(min(medians))} to {_ms(max(medians))} in all these runs: "
            "no cache answers a trade. It is written to the ledger and to the logs of all replicas "
            "in sync, and the front ends forget the stock, before it is acknowledged."
        )
    return " ".join(lines)


def _pairs(evaluation: Evaluation) -> list[tuple[Outcome, Outcome]]:
    both = evaluation.by_p(is_cached=True), evaluation.by_p(is_cached=False)
    return list(zip(*both, strict=True))


def _kinds(outcome: Outcome) -> set[str]:
    return {kind for kind, one in outcome.summary.operations.items() if one.ok}


def _p50(outcome: Outcome, kind: str) -> str:
    return _ms(outcome.summary.operations[kind].p50_ms)


def _factor(with_cache: Outcome, without: Outcome) -> str:
    ours = with_cache.summary.operations["query"].p50_ms
    theirs = without.summary.operations["query"].p50_ms
    return f", {theirs / ours:.1f} times as long" if 0 < ours < theirs else ""


# Hits and misses


def hits_table(evaluation: Evaluation) -> str:
    """Return count, median and p95 of hits and misses at every p."""
    head = ["p", "hits of look-ups"]
    for name in ("hits", "misses", "without cache"):
        head += [f"{name}: count", "p50", "p95"]
    rows = []
    for with_cache, without in _pairs(evaluation):
        groups = {**without.by_cache, **with_cache.by_cache}
        cells = [f"{with_cache.step.p:g}", f"{with_cache.summary.hit_ratio or 0:.1%}"]
        for group in ("hit", "miss", "request"):
            cells += _latency_cells(groups.get(group))
        rows.append(cells)
    return _table(head, rows)


def _latency_cells(one: Latencies | None) -> list[str]:
    return [f"{one.count:,}", _ms(one.p50_ms), _ms(one.p95_ms)] if one else ["0", "-", "-"]


def hits_text(evaluation: Evaluation) -> str:
    """Say whether hits are faster than misses, at every p."""
    slower = evaluation.slow_hits()
    found = [one.by_cache for one in evaluation.by_p(is_cached=True)]
    ratios = [
        one["miss"].p50_ms / one["hit"].p50_ms for one in found if {"hit", "miss"} <= one.keys()
    ]
    if not ratios:
        return "There were no hits and misses to be compared."
    if slower:
        named = ", ".join(f"{p:g}" for p in slower)
        return f"The median hit is **not** faster than the median miss at p = {named}."
    return (
        "At every p the median hit is faster than the median miss, "
        f"{min(ratios):.1f} to {max(ratios):.1f} times. The more trades, the fewer hits: each "
        "trade makes the front end forget a stock, and the stocks that are traded most are those "
        "that are asked for most. (At p = 0 there would be hits only, had the memory not been "
        "empty at first.)"
    )


# A small cache


def small_text(evaluation: Evaluation, small: Outcome) -> str:
    """Say how the small memory was used."""
    if not small.looks:
        return "Nothing was seen of its memory."
    last = small.looks[-1]
    asked = last.hits + last.misses
    most = max(len(look.ranks) for look in small.looks)
    seen = len({rank for look in small.looks for rank in look.ranks})
    return (
        f"The memory never holds more than {most} stocks; {seen} different ones were seen in it, "
        f"and {last.evictions:,} times one had to make room. {last.hits / max(1, asked):.1%} of "
        f"{asked:,} look-ups were hits. Had the {SMALL_CACHE} stocks that are asked for most been "
        f"in memory all the time, {evaluation.best_share:.1%} would have been: what was used "
        "recently is a good, though not the best, guess of what will be asked for next. In the "
        "plot the popular stocks, at the top, stay; the others come and go."
    )


# Crashes


def faults_text(evaluation: Evaluation) -> str:
    """Say which faults there were."""
    faults = ", ".join(f"`{fault}`" for fault in FAULTS.split(","))
    return (
        f"p = {CHAOS_P:g}, {evaluation.effort.crash_rate} operations a second, {CRASH_CLIENTS} "
        "clients, so that some are free while others wait for their trades. Every "
        f"{evaluation.effort.chaos_interval_s:g} s, or later when the last one is not healed by "
        f"then, there is a fault by chance: {faults}. What is killed (`kill -9`) or paused stays "
        "so for some seconds and is then started again, or resumed."
    )


def crashes_table(recoveries: Sequence[Recovery]) -> str:
    """Return what became of each fault."""
    head = ["fault", "target", "at", "elected after", "longest pause of trades", "all well after"]
    rows = [
        [
            *(one.fault, one.target, f"{one.at_s:.1f} s"),
            *(_seconds(one.elected_s), _seconds(one.pause_s, digits=2), _seconds(one.healed_s)),
        ]
        for one in recoveries
    ]
    return _table(head, rows)


def crashes_text(crashes: Outcome) -> str:
    """Say what the clients saw."""
    summary = crashes.summary
    gap = summary.longest_gap_s
    told = f"{summary.error_count:,} of {summary.count:,} operations failed"
    stale = crashes.by_cache["stale"].count if "stale" in crashes.by_cache else 0
    pause = f", and the longest time without a successful trade was {gap:.2f} s" if gap else ""
    return (
        f"During {len(crashes.recoveries)} faults {told}{pause}. A dead leader is replaced by the "
        "live replica with the largest id; a paused one is noticed by its silence, which takes "
        "longer. While the catalog is dead no trade can be decided: trades wait until it is back, "
        "and so do look-ups of stocks that are not in memory; "
        f"those that are in memory are shown, marked as stale once the lease is over ({stale:,} "
        "answers). The pause is the longest between two "
        "trades; an election is seen by looking a few times a second, so its time is rough."
    )


# Proof


def proof_text(outcomes: Iterable[Outcome]) -> str:
    """Say whether every run was consistent."""
    proven = [one for one in outcomes if one.summary.proof is not None]
    broken = [one for one in proven if one.summary.proof]
    unseen = [one for one in proven if one.summary.proof_gaps]
    if not proven:
        return "No run was followed by a proof."
    if broken:
        findings = (
            f"- {one.step.title}: {text}" for one in broken for text in one.summary.proof or ()
        )
        return "\n".join(["Promises were **broken**:", "", *findings])
    if unseen:
        gaps = (f"- {one.step.title}: {gap}" for one in unseen for gap in one.summary.proof_gaps)
        told = "Nothing wrong was found, but not everything could be looked at:"
        return "\n".join([told, "", *gaps])
    return (
        f"After each of {len(proven)} runs every acknowledged order was read back, every replica's "
        "log was compared with the ledger, and the history of what clients were shown was checked "
        "for reads that were too old. Nothing was lost, doubled or read too old."
    )


def _ms(value_ms: float) -> str:
    return f"{value_ms:.3g} ms" if value_ms < 100 else f"{value_ms:,.0f} ms"  # noqa: PLR2004 - digits


def _seconds(value_s: float | None, digits: int = 1) -> str:
    return "-" if value_s is None else f"{value_s:.{digits}f} s"

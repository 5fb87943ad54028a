"""
The facts of the page of an evaluation; its words are in `readme.md`.

What the page claims is computed from what was measured: where a claim does not hold, it says so.
"""

import re
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
_NO_PARAGRAPH = ("#", "|", "!", "-", "`")
"""How headings, tables, pictures, lists and code begin."""


def render(evaluation: Evaluation) -> str:
    """Return the page."""
    engine = Engine(dirs=[str(Path(__file__).parent)])
    context = Context(_facts(evaluation), autoescape=False)
    return wrap(engine.get_template("readme.md").render(context))


def wrap(page: str) -> str:
    """Break paragraphs into lines that fit a page; all else stays as it is."""
    blocks = re.split(r"\n\s*\n", page.strip())
    return (
        "\n\n".join(
            one
            if one.startswith(_NO_PARAGRAPH)
            else textwrap.fill(one, LINE_MAX, break_long_words=False, break_on_hyphens=False)
            for one in blocks
        )
        + "\n"
    )


def _facts(evaluation: Evaluation) -> dict[str, Any]:
    small, crashes = evaluation.find("small-cache"), evaluation.find("crashes")
    proven = [one for one in evaluation.outcomes if one.summary.proof is not None]
    return {
        "evaluation": evaluation,
        "took": _minutes(evaluation.took_s),
        "by_p_table": by_p_table(evaluation),
        "look_ups": _look_ups(evaluation),
        "trades": _trades(evaluation),
        "hits_table": hits_table(evaluation),
        "hit_ratios": _hit_ratios(evaluation),
        "slow_hits": [f"{p:g}" for p in evaluation.slow_hits()],
        "small": small,
        "small_cache": SMALL_CACHE,
        "memory": _memory(evaluation, small) if small and small.looks else None,
        "chaos_p": f"{CHAOS_P:g}",
        "crash_clients": CRASH_CLIENTS,
        "chaos_interval": f"{evaluation.effort.chaos_interval_s:g}",
        "faults": [f"`{fault}`" for fault in FAULTS.split(",")],
        "crashes_table": crashes_table(crashes.recoveries) if crashes else "",
        "crashes": _crashes(crashes) if crashes else None,
        "proven": len(proven),
        "findings": evaluation.findings(),
        "gaps": [f"{one.step.title}: {gap}" for one in proven for gap in one.summary.proof_gaps],
    }


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


def _look_ups(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return the median look-up with and without cache, at the least and at the most p."""
    pairs = _pairs(evaluation)
    return [
        {"p": f"{a.step.p:g}", "cached": _ms(ours), "uncached": _ms(theirs)}
        | ({"factor": f"{theirs / ours:.1f}"} if 0 < ours < theirs else {})
        for a, b in pairs[:: max(1, len(pairs) - 1)]
        if (ours := _p50_ms(a, "query")) is not None and (theirs := _p50_ms(b, "query")) is not None
    ]


def _trades(evaluation: Evaluation) -> list[str]:
    """Return the least and the largest median of a trade; nothing without trades."""
    every = (_p50_ms(one, "trade") for pair in _pairs(evaluation) for one in pair)
    medians = [ms for ms in every if ms is not None]
    return [_ms(min(medians)), _ms(max(medians))] if medians else []


def _pairs(evaluation: Evaluation) -> list[tuple[Outcome, Outcome]]:
    both = evaluation.by_p(is_cached=True), evaluation.by_p(is_cached=False)
    return list(zip(*both, strict=True))


def _p50_ms(outcome: Outcome, kind: str) -> float | None:
    """Return the median of the operations of a kind; None when none was ok."""
    one = outcome.summary.operations.get(kind)
    return one.p50_ms if one and one.ok else None


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


def _hit_ratios(evaluation: Evaluation) -> list[str]:
    """Return how many times as long the median miss takes: at least, and at most."""
    found = [one.by_cache for one in evaluation.by_p(is_cached=True)]
    ratios = [
        one["miss"].p50_ms / one["hit"].p50_ms for one in found if {"hit", "miss"} <= one.keys()
    ]
    return [f"{min(ratios):.1f}", f"{max(ratios):.1f}"] if ratios else []


def _memory(evaluation: Evaluation, small: Outcome) -> dict[str, Any]:
    """Return how the small memory was used."""
    last = small.looks[-1]
    asked = last.hits + last.misses
    return {
        "most": max(len(look.ranks) for look in small.looks),
        "seen": len({rank for look in small.looks for rank in look.ranks}),
        "evictions": f"{last.evictions:,}",
        "share": f"{last.hits / max(1, asked):.1%}",
        "asked": f"{asked:,}",
        "best_share": f"{evaluation.best_share:.1%}",
    }


# Crashes


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


def _crashes(crashes: Outcome) -> dict[str, Any]:
    """Return what the clients saw."""
    gap_s = crashes.summary.longest_gap_s
    return {
        "faults": len(crashes.recoveries),
        "errors": f"{crashes.summary.error_count:,}",
        "operations": f"{crashes.summary.count:,}",
        "gap": f"{gap_s:.2f}" if gap_s else "",
        "stale": f"{crashes.by_cache['stale'].count:,}" if "stale" in crashes.by_cache else "0",
    }


def _ms(value_ms: float) -> str:
    return f"{value_ms:.3g} ms" if value_ms < 100 else f"{value_ms:,.0f} ms"  # noqa: PLR2004 - digits


def _seconds(value_s: float | None, digits: int = 1) -> str:
    return "-" if value_s is None else f"{value_s:.{digits}f} s"

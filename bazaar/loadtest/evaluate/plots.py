"""The plots of an evaluation."""

import math
from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from bazaar.loadtest.evaluate.results import Evaluation, Look, Outcome
from bazaar.loadtest.evaluate.sampler import LOOK_S
from bazaar.loadtest.evaluate.steps import P_VALUES, SMALL_CACHE
from bazaar.loadtest.report.drawing import Drawing, panels
from bazaar.loadtest.report.figures import add_legend, draw_latency, draw_throughput, set_log_ms
from bazaar.loadtest.report.theme import Theme
from bazaar.loadtest.summary import NAMES
from bazaar.proof.records import OPERATION_KINDS

WINDOW = 6
"""Looks at the memory over which hits are counted."""
P_LABEL = "p: probability of a trade after a look at a stock"
GROUPS = {
    "hit": "hit",
    "miss": "miss",
    "request": "without cache",
}


def list_figures(evaluation: Evaluation) -> list[tuple[str, Drawing]]:
    """Return file name and drawing of every plot."""
    found: list[tuple[str, Drawing]] = [
        ("latency-by-p", partial(draw_by_p, evaluation)),
        ("hits-and-misses", partial(draw_hits, evaluation)),
    ]
    if small := evaluation.find("small-cache"):
        found.append(("small-cache", partial(draw_small, small)))
    if crashes := evaluation.find("crashes"):
        found.append(("crashes-latency", partial(draw_latency, crashes.summary)))
        found.append(("crashes-throughput", partial(draw_throughput, crashes.summary)))
    return found


def draw_by_p(evaluation: Evaluation, theme: Theme) -> Figure:
    """Draw latency against p for each kind of operation, with and without cache."""
    figure, rows = panels(*[2.2] * len(OPERATION_KINDS))
    for axes, kind in zip(rows, OPERATION_KINDS, strict=True):
        for is_cached, colour in ((True, theme.query), (False, theme.trade)):
            outcomes = evaluation.by_p(is_cached=is_cached)
            used = [one for one in outcomes if _is_used(one, kind)]
            for name, style in (("p50", "-"), ("p99", ":")):
                values = [getattr(one.summary.operations[kind], f"{name}_ms") for one in used]
                label = f"{'with' if is_cached else 'without'} cache, {name}"
                marker = "o" if is_cached else "s"
                points = [one.step.p for one in used]
                axes.plot(points, values, style, color=colour, marker=marker, label=label)
        axes.set_title(NAMES[kind].capitalize())
        axes.set_ylabel("latency (ms)")
        set_log_ms(axes)
    _finish_by_p(rows)
    return figure


def _is_used(outcome: Outcome, kind: str) -> bool:
    return kind in outcome.summary.operations and outcome.summary.operations[kind].ok > 0


def draw_hits(evaluation: Evaluation, theme: Theme) -> Figure:
    """Draw hits beside misses at every p, and how many look-ups were hits."""
    figure, rows = panels(3.6, 2.0)
    latencies, ratios = rows
    colours = {"hit": theme.query, "miss": theme.trade, "request": theme.other}
    for group, marker in (("request", "s"), ("miss", "^"), ("hit", "o")):
        outcomes = evaluation.by_p(is_cached=group != "request")
        found = [(one.step.p, one.by_cache[group]) for one in outcomes if group in one.by_cache]
        for name, style in (("p50", "-"), ("p95", "--")):
            latencies.plot(
                [p for p, _ in found],
                [getattr(one, f"{name}_ms") for _, one in found],
                style,
                color=colours[group],
                marker=marker,
                label=f"{GROUPS[group]}, {name}",
            )
    latencies.set_title("Stock look-ups by where the answer came from")
    latencies.set_ylabel("latency (ms)")
    set_log_ms(latencies)
    cached = evaluation.by_p(is_cached=True)
    ratios.bar(
        [one.step.p for one in cached],
        [100 * (one.summary.hit_ratio or 0) for one in cached],
        width=0.08,
        color=theme.query,
    )
    ratios.set_title("Stock look-ups that were hits, with cache")
    ratios.set_ylabel("hits (%)")
    ratios.set_ylim(0, 105)
    _finish_by_p(rows)
    return figure


def _finish_by_p(rows: Sequence[Axes]) -> None:
    for axes in rows:
        if axes.get_legend_handles_labels()[0] and axes.lines:
            add_legend(axes)
        axes.xaxis.set_major_locator(FixedLocator(P_VALUES))
        axes.set_xlim(P_VALUES[0] - 0.06, P_VALUES[-1] + 0.06)
    rows[-1].set_xlabel(P_LABEL)


def draw_small(outcome: Outcome, theme: Theme) -> Figure:
    """Draw how a small memory fills, and how the least recently used make room."""
    figure, rows = panels(4.2, 1.7, 1.7)
    contents, hits, evictions = rows
    looks = outcome.looks
    stays = [point for stay in list_stays(looks) for point in (*stay, (math.nan, math.nan))]
    contents.plot(*zip(*stays, strict=True), color=theme.query, linewidth=0.9)
    contents.set_yscale("log")
    contents.set_yticks([1, 10, SMALL_CACHE, 100, 400], ["1", "10", str(SMALL_CACHE), "100", "400"])
    contents.minorticks_off()
    contents.invert_yaxis()
    contents.set_ylabel("rank of the stock")
    contents.set_title("What is in memory: a line for each stock (rank 1 is asked for most)")
    hits.plot([look.at_s for look in looks[WINDOW:]], _hit_percent(looks), color=theme.query)
    hits.set_ylabel("hits (%)")
    hits.set_ylim(0, 100)
    hits.set_title(f"Look-ups that were hits, in the last {WINDOW * LOOK_S:g} s")
    gone = [look.evictions for look in looks]
    evictions.plot([look.at_s for look in looks], gone, color=theme.trade)
    evictions.set_ylabel("so far")
    evictions.set_ylim(bottom=0)
    evictions.set_title("Stocks that had to make room")
    rows[-1].set_xlabel("seconds since the run began")
    rows[-1].set_xlim(0, max((look.at_s for look in looks), default=1.0))
    return figure


def list_stays(looks: Sequence[Look]) -> list[tuple[tuple[float, int], tuple[float, int]]]:
    """
    Return from when to when each stock was in memory.

    Each stay is two points: a time in seconds, and the rank of the stock.
    """
    stays = []
    begun: dict[int, float] = {}
    for look in looks:
        gone = set(begun) - set(look.ranks)
        stays += [((begun[rank], rank), (look.at_s, rank)) for rank in gone]
        begun = {rank: begun.get(rank, look.at_s) for rank in look.ranks}
    end_s = looks[-1].at_s if looks else 0.0
    return stays + [((since_s, rank), (end_s, rank)) for rank, since_s in begun.items()]


def _hit_percent(looks: Sequence[Look]) -> list[float]:
    found = []
    for before, after in zip(looks, looks[WINDOW:], strict=False):
        asked = after.hits + after.misses - before.hits - before.misses
        found.append(100 * (after.hits - before.hits) / asked if asked else float("nan"))
    return found

"""The plots of one run, drawn from its summary; times in s since it began."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from bazaar.loadtest.report.drawing import Drawing, panels
from bazaar.loadtest.report.episodes import list_episodes
from bazaar.loadtest.report.theme import Theme
from bazaar.loadtest.summary import NAMES, Second, Summary
from bazaar.proof.records import ELECTED, OPERATION_KINDS

_LETTER_PT, _LABEL_PT = 2.1, 12.0
"""How high a slanting name is: for each letter, and in any case."""
LABELS_MAX = 30
"""Faults with their names above a plot; more would overlap."""
WIDE = 500
"""An axis that reaches so many times its beginning has room for powers of ten only."""
_TAILS = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def list_figures(summary: Summary) -> list[tuple[str, str, Drawing]]:
    """Return name, title and drawing of each plot that the run has something for."""
    found: list[tuple[str, str, Drawing]] = []
    if summary.series:
        found.append(("throughput", "Throughput", partial(draw_throughput, summary)))
        found.append(("latency", "Latency over time", partial(draw_latency, summary)))
    if any(one.percentiles for one in summary.operations.values()):
        found.append(("percentiles", "Latency by percentile", partial(draw_percentiles, summary)))
    if summary.samples:
        found.append(("cluster", "The cluster meanwhile", partial(draw_cluster, summary)))
    return found


def kinds_of(summary: Summary) -> list[str]:
    """Return the kinds of operation that were used."""
    return [kind for kind in OPERATION_KINDS if any(one.kind == kind for one in summary.series)]


def draw_throughput(summary: Summary, theme: Theme) -> Figure:
    """Draw answers and errors a second."""
    figure, (rates, errors) = panels(2.3, 2.3)
    for kind in kinds_of(summary):
        times, seconds = _every_second(summary, kind)
        good = [second.count - second.errors for second in seconds]
        rates.plot(times, good, color=getattr(theme, kind), label=NAMES[kind])
    times, all_seconds = _every_second(summary, *OPERATION_KINDS)
    failed = [second.errors for second in all_seconds]
    errors.bar(times, failed, width=0.9, color=theme.fault)
    rates.set_ylabel("answers per second")
    rates.set_title("Answers")
    errors.set_ylabel("errors per second")
    errors.set_title("Errors" if any(failed) else "Errors: none")
    errors.set_ylim(0, max(1, *failed, 0) * 1.1)
    errors.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    rates.set_ylim(bottom=0)
    _finish_timeline([rates, errors], summary, theme)
    add_legend(rates)
    return figure


def draw_latency(summary: Summary, theme: Theme) -> Figure:
    """Draw three percentiles of each second, a panel for each kind of operation."""
    kinds = kinds_of(summary)
    figure, rows = panels(*[2.1] * len(kinds))
    for axes, kind in zip(rows, kinds, strict=True):
        times, seconds = _every_second(summary, kind)
        for name, style, alpha in (("p50", "-", 1.0), ("p95", "--", 0.9), ("p99", ":", 0.9)):
            values = [getattr(second, f"{name}_ms") or float("nan") for second in seconds]
            colour = getattr(theme, kind)
            # Dots, for a second between two without operations would be a line of no length.
            axes.plot(times, values, style, color=colour, alpha=alpha, label=name, **_DOTS)
        set_log_ms(axes)
        axes.set_ylabel("latency (ms)")
        axes.set_title(NAMES[kind].capitalize())
    _finish_timeline(rows, summary, theme)
    for axes in rows:
        add_legend(axes)
    return figure


def draw_percentiles(summary: Summary, theme: Theme) -> Figure:
    """Draw latency against the percentile, on an axis that widens each nine."""
    figure, (axes,) = panels(3.4)
    last = 1.0
    for kind, one in summary.operations.items():
        points = [(100 / (100 - p), ms) for p, ms in one.percentiles if p < 100 and ms > 0]  # noqa: PLR2004
        if points:
            x, y = zip(*points, strict=True)
            last = max(last, *x)
            axes.plot(x, y, color=getattr(theme, kind), label=NAMES[kind])
    axes.set_xscale("log")
    set_log_ms(axes)
    shown = [p for p in _TAILS if 100 / (100 - p) <= last * 1.01]
    axes.set_xticks([100 / (100 - p) for p in shown], [f"{p:g} %" for p in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left=1)
    axes.set_xlabel("percentile: so many of all operations took no longer")
    axes.set_ylabel("latency (ms)")
    add_legend(axes)
    return figure


def draw_cluster(summary: Summary, theme: Theme) -> Figure:
    """Draw the leader, the lag of each replica, and the share of hits."""
    figure, rows = panels(1.7, 1.7, 1.7)
    leaders, lags, hits = rows
    times = [sample.at_s for sample in summary.samples]
    led = [float("nan") if one.leader is None else one.leader for one in summary.samples]
    leaders.step(times, led, where="post", color=theme.other, linewidth=2.5)
    leaders.set_yticks(sorted({int(one) for one in led if one == one}))  # noqa: PLR0124 - no NaN
    leaders.margins(y=0.4)
    leaders.set_ylabel("replica")
    leaders.set_title("Leader (a gap: none was known)")
    names = sorted({name for sample in summary.samples for name in sample.lag_orders})
    colours = [theme.order, theme.trade, theme.query, theme.other]
    for n, name in enumerate(names):
        behind = [sample.lag_orders.get(name, float("nan")) for sample in summary.samples]
        style = _STYLES[n % len(_STYLES)]
        lags.plot(times, behind, style, color=colours[n % len(colours)], label=name)
    lags.set_ylabel("orders behind")
    lags.set_title("Lag of each replica")
    lags.set_ylim(bottom=0)
    ratios = [float("nan") if one.hit_ratio is None else one.hit_ratio for one in summary.samples]
    hits.plot(times, [100 * ratio for ratio in ratios], color=theme.query)
    hits.set_ylabel("hits (%)")
    hits.set_ylim(0, 105)
    hits.set_title("Stock look-ups answered from the front end's memory")
    _finish_timeline(rows, summary, theme)
    if names:
        add_legend(lags)
    return figure


_DOTS: Any = {"marker": ".", "markersize": 3}
_STYLES = ["-", "--", ":", "-."]


def add_legend(axes: Axes) -> None:
    """Explain the lines beside the plot, where they cannot be in the way."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)


def set_log_ms(axes: Axes) -> None:
    """Give what is drawn a logarithmic axis of milliseconds, written plainly."""
    axes.set_yscale("log")
    bottom, top = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top < bottom * WIDE else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _every_second(summary: Summary, *kinds: str) -> tuple[list[float], list[Second]]:
    """Return the middle of each second and what was done in it."""
    seconds = [one for one in summary.series if one.kind in kinds]
    if not seconds:
        return [], []
    found: dict[int, Second] = {}
    for one in seconds:
        old = found.get(one.at_s)
        found[one.at_s] = one if old is None else _sum(old, one)
    first, last = min(found), max(found)
    kind = seconds[0].kind
    all_s = range(first, last + 1)
    return [s + 0.5 for s in all_s], [found.get(s, Second(at_s=s, kind=kind)) for s in all_s]


def _sum(one: Second, other: Second) -> Second:
    count, errors = one.count + other.count, one.errors + other.errors
    return Second(at_s=one.at_s, kind=one.kind, count=count, errors=errors)


def _finish_timeline(rows: Sequence[Axes], summary: Summary, theme: Theme) -> None:
    """Add the warm-up, faults and elections, and the time axis below."""
    end_s = summary.warmup_s + summary.duration_s
    for axes in rows:
        if summary.warmup_s:
            axes.axvspan(0, summary.warmup_s, color=theme.line, alpha=0.5, linewidth=0)
        _add_marks(axes, summary, theme, end_s)
        axes.set_xlim(0, end_s)
    _add_labels(rows[0], summary, theme)
    rows[-1].set_xlabel(_time_label(summary))


def _time_label(summary: Summary) -> str:
    parts = ["seconds since the run began"]
    if summary.warmup_s:
        parts.append("grey: warm-up")
    if summary.marks:
        parts.append("red: a fault, until all was well again; purple line: a leader is elected")
    return "; ".join(parts)


def _add_marks(axes: Axes, summary: Summary, theme: Theme, end_s: float) -> None:
    for episode in list_episodes(summary.marks):
        until_s = episode.ends_at(end_s)
        axes.axvspan(episode.at_s, until_s, color=theme.fault, alpha=0.13, linewidth=0)
        axes.axvline(episode.at_s, color=theme.fault, linewidth=1)
    for mark in _elections(summary):
        axes.axvline(mark, color=theme.other, linewidth=1, linestyle=(0, (2, 2)))


def _elections(summary: Summary) -> Iterable[float]:
    return (mark.at_s for mark in summary.marks if mark.what == ELECTED)


def _add_labels(axes: Axes, summary: Summary, theme: Theme) -> None:
    """Name the faults above the first panel, slanting to the right."""
    episodes = list_episodes(summary.marks)
    if not episodes or len(episodes) > LABELS_MAX:
        return
    # The title goes above the names.
    longest = max(len(episode.label) for episode in episodes)
    axes.set_title(axes.get_title(loc="left"), pad=_LETTER_PT * longest + _LABEL_PT)
    for episode in episodes:
        axes.annotate(
            episode.label,
            (episode.at_s, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            rotation=28,
            rotation_mode="anchor",
            fontsize="small",
            color=theme.fault,
            annotation_clip=False,
        )

"""The plots of a run."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bazaar.loadtest.report.drawing import Drawing, panels
from bazaar.loadtest.report.theme import Theme
from bench.effort import MOST_CLIENTS
from bench.results import CACHED, LOOK_UP, TRADE, UNCACHED, Cell, Length, Results, Size
from bench.tables import clients_of

TASKS = (CACHED, UNCACHED, LOOK_UP, TRADE)
_NUMBERS = FuncFormatter(lambda value, _: f"{value:,.10g}")
BAR_IN, HEAD_IN = 0.27, 0.55
GROWTH_IN = 1.9


def list_plots(results: Results) -> list[tuple[str, str, Drawing]]:
    """Return file name, description and drawing of every plot."""
    found: list[tuple[str, str, Drawing]] = []
    if results.cells:
        text = f"Answers a second of every contestant at {MOST_CLIENTS} clients"
        found.append(("contestants", text, partial(draw_contestants, results)))
    if results.lengths:
        text = "Trades, start, catch-up and failover against the number of orders"
        found.append(("growth", text, partial(draw_growth, results.lengths)))
    if results.stocks:
        text = "Queries against the number of stocks"
        found.append(("stocks", text, partial(draw_sizes, results.stocks, "stocks", "queries")))
    if results.replicas:
        text = "Trades against the number of replicas"
        found.append(
            ("replicas", text, partial(draw_sizes, results.replicas, "replicas", "trades"))
        )
    return found


def draw_contestants(results: Results, theme: Theme) -> Figure:
    """Draw a bar for each contestant, a panel for each task."""
    groups = {
        task: [one for one in results.cells if (one.task, one.clients) == (task, MOST_CLIENTS)]
        for task in TASKS
    }
    shown = {task: cells for task, cells in groups.items() if cells}
    heights = [HEAD_IN + BAR_IN * len(cells) for cells in shown.values()]
    figure, rows = panels(*heights)
    for axes, (task, cells) in zip(rows, shown.items(), strict=True):
        _draw_bars(axes, cells, theme)
        axes.set_title(f"{task.capitalize()}, {MOST_CLIENTS} clients")
        axes.set_xscale("log")
    rows[-1].xaxis.set_major_formatter(_NUMBERS)
    rows[-1].set_xlabel("answers a second (logarithmic); the line is the spread over all rounds")
    return figure


def _draw_bars(axes: Axes, cells: Sequence[Cell], theme: Theme) -> None:
    for place, cell in enumerate(reversed(cells)):
        rate = cell.rate
        colour = theme.query if cell.contestant.startswith("Bazaar") else theme.soft
        axes.barh(place, rate.median, color=colour, height=0.7)
        axes.hlines(place, rate.least, rate.most, color=theme.fault, linewidth=1.2)
        axes.annotate(
            f" {rate.median:,.0f}", (max(rate.most, rate.median), place), va="center", fontsize=8
        )
    axes.set_yticks(range(len(cells)), [cell.contestant for cell in reversed(cells)])
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)


def draw_growth(lengths: Sequence[Length], theme: Theme) -> Figure:
    """Draw latency, memory and times of repair against the number of orders."""
    figure, (latency, memory, times) = panels(GROWTH_IN, GROWTH_IN, GROWTH_IN)
    orders = [one.orders for one in lengths]
    for name, label, colour in (
        ("p50_one_ms", "1 client", theme.query),
        ("p50_eight_ms", "8 clients", theme.trade),
    ):
        values = [getattr(one, name).median for one in lengths]
        latency.plot(orders, values, "o-", color=colour, label=label)
    latency.set_title("Median trade")
    latency.set_ylabel("ms")
    colours = {"catalog": theme.query, "frontend": theme.trade, "order": theme.order}
    for role, colour in colours.items():
        sizes = [_largest(one, role) for one in lengths]
        memory.plot(orders, sizes, "o-", color=colour, label=role)
    memory.set_title("Resident memory of the largest process of each role")
    memory.set_ylabel("MB")
    for label, colour, seconds in (
        ("start of all", theme.query, [one.up_s for one in lengths]),
        ("catch-up", theme.trade, [one.catch_up_s for one in lengths]),
        ("failover", theme.order, [max(one.failover_s) for one in lengths]),
    ):
        times.plot(orders, seconds, "o-", color=colour, label=label)
    times.set_yscale("log")
    times.set_title("Start, catch-up, failover")
    times.set_ylabel("seconds (logarithmic)")
    _finish((latency, memory, times), orders, "orders in the log")
    return figure


def _largest(one: Length, role: str) -> float:
    return max(size for name, size in one.memory_mb.items() if name.startswith(role))


def draw_sizes(sizes: Sequence[Size], what: str, kind: str, theme: Theme) -> Figure:
    """Draw rates and medians against what is counted."""
    figure, (rates, medians) = panels(GROWTH_IN, GROWTH_IN)
    counts = [one.count for one in sizes]
    names = [(cell.task, cell.clients) for cell in sizes[0].cells]
    for place, (name, colour) in enumerate(zip(names, (theme.query, theme.trade), strict=True)):
        cells = [one.cells[place] for one in sizes]
        label = f"{name[0]}, {clients_of(name[1])}"
        rates.plot(counts, [one.rate.median for one in cells], "o-", color=colour, label=label)
        values = [one.p50_ms.median for one in cells]
        medians.plot(counts, values, "o-", color=colour, label=label)
    rates.set_yscale("log")
    rates.set_title(f"{kind.capitalize()} a second (logarithmic)")
    medians.set_title("Median latency")
    medians.set_ylabel("ms")
    _finish((rates, medians), counts, what)
    return figure


def _finish(rows: Sequence[Axes], counts: Sequence[int], what: str) -> None:
    rows[-1].set_xscale("log")
    rows[-1].set_xticks(counts, [f"{count:,}" for count in counts])
    rows[-1].xaxis.set_minor_formatter(NullFormatter())
    rows[-1].minorticks_off()
    rows[-1].set_xlabel(what)
    for axes in rows:
        axes.legend(loc="best", fontsize=8)
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0, top=1.1 * axes.get_ylim()[1])
        else:
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(_NUMBERS)
            axes.yaxis.set_minor_formatter(NullFormatter())

"""Tables of a run: the same rows for the terminal and for the page; pure."""

from collections.abc import Iterator, Sequence

from bench.numbers import Spread, ratio
from bench.results import BAZAAR, Length, Paused, Results, Size
from bench.verdicts import judge

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads and rows."""


def verdict_table(results: Results) -> Table:
    """Return what was asked for and what was measured."""
    rows = [(one.what, one.target, one.measured, one.word) for one in judge(results)]
    return ("", "target", "measured", "verdict"), rows


def cell_table(results: Results, task: str) -> Table:
    """Return all contestants of one task, with the ratio of Bazaar to each."""
    heads = ("clients", "contestant", "a second", "p50", "p99", "Bazaar / it")
    rows = []
    for cell in (one for one in results.cells if one.task == task):
        ours = results.find(task, cell.clients, BAZAAR)
        beside = "" if ours is None or cell is ours else spread(ratio(ours.rate, cell.rate), ".3g")
        errors = f", {cell.errors} errors" if cell.errors else ""
        rate = spread(cell.rate, ",.0f") + errors
        rows.append(
            (str(cell.clients), cell.contestant, rate, ms(cell.p50_ms), ms(cell.p99_ms), beside)
        )
    return heads, rows


def losses(results: Results) -> list[str]:
    """Return where another contestant was faster than Bazaar, a sentence each."""
    found = []
    for cell in results.cells:
        ours = results.find(cell.task, cell.clients, BAZAAR)
        if ours is None or cell.contestant.startswith(BAZAAR):
            continue
        share = ratio(ours.rate, cell.rate).median
        if share < 1:
            where = f"{cell.task}, {clients_of(cell.clients)}"
            found.append(f"{where}: {share:.2f} of the rate of {cell.contestant}.")
    return found


def paused_table(paused: Paused) -> Table:
    """Return the trades before and after a follower was paused."""
    grace = f"{paused.grace_s:g} s"
    heads = ("", "ms")
    rows = [
        ("p99, all replicas healthy", spread(paused.healthy_p99_ms, ".3g")),
        (f"longest trade in the first {grace}", spread(paused.first_max_ms, ".3g")),
        (f"p99 after {grace}", spread(paused.later_p99_ms, ".3g")),
    ]
    return heads, rows


def length_table(lengths: Sequence[Length]) -> Table:
    """Return a row for each length of the logs."""
    heads = (
        *("orders", "trade p50, 1 client", "8 clients", "trades/s, 8 clients", "start of all"),
        *("catch-up", "rebuild", "leader killed to next trade"),
    )
    return heads, [_length_row(one) for one in lengths]


def _length_row(one: Length) -> tuple[str, ...]:
    failovers = ", ".join(f"{took_s * 1000:.0f}" for took_s in one.failover_s)
    return (
        f"{one.orders:,}",
        ms(one.p50_one_ms),
        ms(one.p50_eight_ms),
        spread(one.rate_eight, ",.0f"),
        f"{one.up_s:.1f} s",
        f"{one.catch_up_s:.1f} s",
        f"{one.rebuild_s:.1f} s" if one.rebuild_s else "-",
        f"{failovers} ms",
    )


def memory_table(results: Results) -> Table:
    """Return the resident memory of every process, in MB."""
    looks = {"after queries and trades": results.memory_mb} if results.memory_mb else {}
    looks |= {f"with {one.orders:,} orders": one.memory_mb for one in results.lengths}
    names = sorted({name for look in looks.values() for name in look})
    rows = [
        (when, *(f"{look[name]:.0f}" if name in look else "-" for name in names))
        for when, look in looks.items()
    ]
    return ("resident memory, MB", *names), rows


def size_table(sizes: Sequence[Size], what: str) -> Table:
    """Return a row for each size and task; what: is counted."""
    rows = [
        (
            f"{size.count:,}",
            f"{cell.task}, {clients_of(cell.clients)}",
            spread(cell.rate, ",.0f"),
            ms(cell.p50_ms),
            ms(cell.p99_ms),
        )
        for size in sizes
        for cell in size.cells
    ]
    return (what, "task", "a second", "p50", "p99"), rows


def spread(found: Spread, form: str) -> str:
    """Return the median with least and most."""
    if len(found.rounds) == 1:
        return format(found.median, form)
    return f"{found.median:{form}} ({found.least:{form}} to {found.most:{form}})"


def ms(found: Spread) -> str:
    """Return a median time."""
    return f"{found.median:.3g} ms"


def plain(table: Table) -> Iterator[str]:
    """Yield a table as lines for a terminal."""
    heads, rows = table
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def markdown(table: Table) -> Iterator[str]:
    """Yield a table as lines of Markdown."""
    heads, rows = table
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(row)} |"


def clients_of(count: int) -> str:
    """Return so many clients in words."""
    return f"{count} client{'' if count == 1 else 's'}"

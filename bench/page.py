"""
Write benchmarks.md, its plots and its numbers; a later run replaces them.

What people have to say of them is kept in findings.md here; the page ends with it.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bazaar.loadtest.report.drawing import write_png, write_svg
from bench import tables
from bench.plots import list_plots
from bench.results import CACHED, LOOK_UP, TRADE, UNCACHED, Results
from bench.verdicts import judge

PAGE, FOLDER = "benchmarks.md", "benchmarks"
FINDINGS = Path(__file__).with_name("findings.md")
"""Written by hand; its links are those of the page."""
TITLES = {
    CACHED: "A stock from the front end's memory",
    UNCACHED: "A stock past every cache",
    LOOK_UP: "An order",
    TRADE: "A trade",
}
_INTRO = """\
# Benchmarks

Ratios, taken in one run, against things anyone knows. One command measures everything and writes
this page:

```
{command}
```

This is the run of {started}; it took {took_s:.0f} s. Its numbers are in
[results.json](benchmarks/results.json). What was found out from runs like it, and where the time
goes, comes [last](#what-was-found-and-what-it-gained).

The contestants take turns in every round, a second or so each, and a ratio is taken within its
round: all of them meet the same machine. Numbers are medians over the rounds, with least and most
in brackets. Everything shares the machine, those that send the load too.
"""
_CONTESTANTS = """\
## The contestants

- **Bazaar**: a catalog, three order replicas, one front end, the dashboard, as `make up` starts
  them, on the ten stocks of the small set. A trade is in the ledger and in three logs, each with
  synchronous=FULL, when it is answered.
- **Bazaar under gunicorn**: the same with `--server gunicorn`.
- **Bazaar, past every cache**: an order that the front end must ask a replica for
  (`Cache-Control: no-cache`); otherwise it keeps those that it has placed or shown last.
- **bare WSGI callable**: answers a cached stock with the same bytes under granian's own server.
- **Flask baseline**: what one would write otherwise (`bench/flask_baseline`): threads, lists,
  locks, text files, and a `requests` call for each hop and trade; a front end with a dict as its
  cache, a catalog, three order replicas. Nothing is flushed to the disk, there are no keys and no
  terms, and a crash between two hops loses or doubles a trade. *As written*: Flask's own threaded
  server, a connection for each call. *At its best*: gunicorn (gthread), connections kept. A ratio
  to the baseline is to whichever was better in that round.
- **SQLite, one row a commit**: one process, no network, no decision, no copy; WAL and
  synchronous=FULL on the same disk. It has one client, itself, in every row of the table.

Queries are sent by wrk (one thread), trades by the load generator's engine: each client trades
again as soon as its last trade has ended.
"""
_MEMORY = """\
Of the process that serves a role. At front ends and the dashboard a main process, which only
watches it, takes 31 MB more, two thirds of them shared with it."""
_GROWTH = """\
## Growth: orders

Clusters with logs of these lengths stand side by side, and trades alternate between them. A process
that starts checks the end of its log only, so all of it should be flat. Catch-up: from the start of
a replica that lacks its newest 10,000 orders until it has every order. Rebuild: the same of a
replica whose database was deleted; not measured at the greatest length, where it would take
minutes. The leader is killed (-9, twice: of three replicas one is left), and a trade is sent at
once.
"""
_STOCKS = """\
## Growth: stocks

Clusters with so many stocks stand side by side; {paths} of them, from all over the list, are asked
for in turn.
"""
_REPLICAS = """\
## Growth: replicas

One cluster after the other, so that the processes of the others cost nothing. Every replica is a
process more on the same cores, and every trade waits for all that are in sync.
"""


def write(results: Results, out: Path) -> list[Path]:
    """Write everything; return what was written. May raise OSError."""
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "results.json", out / PAGE]
    written[0].write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    written[1].write_text("\n".join(lines_of(results)), encoding="utf-8")
    for name, _, drawing in list_plots(results):
        write_svg(drawing, folder / f"{name}.svg")
        write_png(drawing, folder / f"{name}.png")
        written += [folder / f"{name}.svg", folder / f"{name}.png"]
    return written


def lines_of(results: Results) -> Iterator[str]:
    """Yield the page."""
    yield _INTRO.format(command=results.command, started=results.started, took_s=results.took_s)
    yield from tables.markdown((("machine", ""), tuple(results.machine.items())))
    yield from _verdicts(results)
    if results.cells:
        yield from ("", _CONTESTANTS, *_plot(results, "contestants"))
    for task, title in TITLES.items():
        if any(cell.task == task for cell in results.cells):
            yield from ("", f"### {title}", "")
            yield from tables.markdown(tables.cell_table(results, task))
    yield from _failure(results)
    yield from _growth(results)
    yield ""
    yield FINDINGS.read_text(encoding="utf-8")


def _verdicts(results: Results) -> Iterator[str]:
    yield from ("", "## What is asked for, and what is so", "")
    yield from tables.markdown(tables.verdict_table(results))
    missed = [one.what for one in judge(results) if not one.is_reached]
    yield from ("", "## Where we lose", "")
    yield from (f"- Missed: {what}." for what in missed)
    yield from (f"- {sentence}" for sentence in tables.losses(results))
    if not missed and not tables.losses(results):
        yield "Nowhere in this run."


def _failure(results: Results) -> Iterator[str]:
    if paused := results.paused:
        yield from ("", "## One follower paused", "")
        yield (
            f"{paused.clients} clients trade; a follower is stopped (SIGSTOP) meanwhile, and the"
            f" leader waits for it for {paused.grace_s:g} s, once."
        )
        yield ""
        yield from tables.markdown(tables.paused_table(paused))
    if results.memory_mb or results.lengths:
        yield from ("", "## Memory", "", _MEMORY, "")
        yield from tables.markdown(tables.memory_table(results))


def _growth(results: Results) -> Iterator[str]:
    if results.lengths:
        yield from ("", _GROWTH, *_plot(results, "growth"))
        yield from tables.markdown(tables.length_table(results.lengths))
    if results.stocks:
        yield from ("", _STOCKS.format(paths="up to 500"), *_plot(results, "stocks"))
        yield from tables.markdown(tables.size_table(results.stocks, "stocks"))
    if results.replicas:
        yield from ("", _REPLICAS, *_plot(results, "replicas"))
        yield from tables.markdown(tables.size_table(results.replicas, "replicas"))


def _plot(results: Results, wanted: str) -> Iterator[str]:
    for name, text, _ in list_plots(results):
        if name == wanted:
            yield from (f"![{text}]({FOLDER}/{name}.png)", "")

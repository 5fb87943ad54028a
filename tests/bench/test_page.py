"""The page, the tables for the terminal, and what is read of wrk."""

from pathlib import Path

import msgspec
import pytest

from bench import page, tables, wrk
from bench.command import lines_of
from bench.page import FINDINGS, write
from bench.paused import split
from bench.results import CACHED, Results
from bench.trading import Traded
from tests.bench.made import results

WRK = """\
Running 1s test @ http://127.0.0.1:1/
  Latency Distribution
     50%  130.00us
     75%    1.20ms
     90%    1.50ms
     99%    1.94s
  6785 requests in 1.00s, 2.0MB read
Requests/sec:   6784.51
Transfer/sec:      2.0MB
"""


def test_the_page_says_plainly_where_we_lose() -> None:
    text = "\n".join(page.lines_of(results()))
    assert "| order look-up: rate / Flask baseline | at least 8 | 2 | MISSED |" in text
    assert "- Missed: order look-up: rate / Flask baseline." in text
    assert "- trade, 32 clients: 0.50 of the rate of SQLite, one row a commit." in text
    assert "- cached stock, 32 clients: 0.90 of the rate of bare WSGI callable." in text


def test_a_contestant_is_shown_with_its_spread_and_its_ratio() -> None:
    _, rows = tables.cell_table(results(), CACHED)
    bare, ours = rows[0], rows[1]
    assert bare[2] == "10,000 (9,000 to 10,500)"
    assert bare[5] == "0.9 (0.9 to 1)"
    assert ours[5] == ""


def test_a_table_for_the_terminal_is_aligned() -> None:
    lines = list(tables.plain((("a", "b"), (("long", "1"), ("x", "2")))))
    assert lines == ["a     b", "long  1", "x     2"]


def test_a_run_of_some_parts_prints_only_those() -> None:
    some = msgspec.structs.replace(results(), cells=(), memory_mb={}, lengths=(), stocks=())
    text = "\n".join(lines_of(some))
    assert "ONE FOLLOWER PAUSED" in text
    assert "GROWTH" not in text


def test_everything_is_written_and_the_numbers_can_be_read_back(tmp_path: Path) -> None:
    some = msgspec.structs.replace(results(), cells=(), stocks=(), replicas=())  # plots take time
    written = write(some, tmp_path)
    assert {path.name for path in written} >= {"results.json", "benchmarks.md", "growth.png"}
    page = (tmp_path / "benchmarks.md").read_text()
    assert page.endswith(FINDINGS.read_text())
    assert "(#what-was-found-and-what-it-gained)" in page
    assert "## What was found, and what it gained" in page
    assert all(path.stat().st_size for path in written)
    kept = (tmp_path / "benchmarks" / "results.json").read_bytes()
    assert msgspec.json.decode(kept, type=Results) == some


def test_what_wrk_says_is_read_in_milliseconds() -> None:
    found = wrk.read(WRK)
    assert (found.rate, found.p50, found.p99) == (6784.51, 0.13, 1940.0)
    with pytest.raises(SystemExit, match="unexpected"):
        wrk.read("unable to connect")


def test_trades_are_split_by_when_they_began_after_the_pause() -> None:
    traded = Traded(
        begun_s=100.0,
        seconds=3.0,
        ended_s=(0.9, 1.5, 1.6, 2.0),  # the follower is paused at second 1
        took_s=(0.1, 0.5, 0.05, 0.1),
    )
    assert split(traded, 101.0) == ([0.5], [0.05, 0.1])

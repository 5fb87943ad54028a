"""A database whose pages are verified."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar import clock
from tests.support.page_bench import PageBench, StillClock, make_database


@pytest.fixture(scope="session")
def page_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "order-1.sqlite3"
    make_database(path)
    return path


@pytest.fixture
def bench(
    page_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PageBench]:
    """Return a database after the first turn over its pages; time stands still."""
    path = tmp_path / "order-1.sqlite3"
    shutil.copyfile(page_template, path)
    now = StillClock()
    monkeypatch.setattr(clock, "monotonic_s", lambda: now.s)
    monkeypatch.setattr(clock, "thread_s", lambda: 0.0)
    bench = PageBench(path, now)
    bench.step()
    bench.step()
    yield bench
    bench.writer.close()
    bench.pages.close()

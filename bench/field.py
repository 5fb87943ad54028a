"""All contestants of queries and trades, running side by side."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import baseline, processes, trading
from bench.cache import ask, start_bare
from bench.clusters import OwnCluster, prepared, running
from bench.results import BARE, BAZAAR, FLASK, FLASK_BEST, GUNICORN

STOCK_PATH = "/stocks?stock_name=GameStart"
FIRST_ORDERS_S = 1.0
"""Of trades at the start, so that there are orders to look up."""


@dataclass(frozen=True)
class Field:
    """Addresses by contestant, and the cluster under our own server."""

    urls: dict[str, str]
    cluster: OwnCluster


@contextlib.contextmanager
def contestants(folder: Path) -> Iterator[Field]:
    """Start all of them; give them with a few orders each."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(running(prepared(folder / "granian")))
        under_gunicorn = stack.enter_context(
            running(prepared(folder / "gunicorn", "--server", "gunicorn"))
        )
        plain = baseline.baseline(folder / "flask", baseline.as_written, is_keeping=False)
        best = baseline.baseline(folder / "flask-best", baseline.at_its_best, is_keeping=True)
        urls = {
            BAZAAR: ours.base_url,
            GUNICORN: under_gunicorn.base_url,
            FLASK: stack.enter_context(plain),
            FLASK_BEST: stack.enter_context(best),
        }
        for url in urls.values():
            trading.run(trading.Spec(url=url, clients=8, seconds=FIRST_ORDERS_S))
            ask(url + STOCK_PATH)
        answer = ask(urls[BAZAAR] + STOCK_PATH)  # the second one comes from memory
        bare, bare_url = start_bare(*answer)
        stack.callback(processes.end, bare)
        yield Field({**urls, BARE: bare_url}, ours)

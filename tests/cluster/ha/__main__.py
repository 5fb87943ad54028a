"""
A cluster on three hosts, and all that may happen to them: `python -m tests.cluster.ha`.

Not part of the suite: it takes minutes, and judges times. Under a load it kills each process, then
each host, cuts each link, pauses each primary, and mends it. It prints for how long trades stood
still each time, beside the engine alone in the same moment, and then whether every promise held.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bazaar.loadtest.plan import FrontEndAccess
from bazaar.loadtest.prove import prove
from bazaar.proof import verdict
from tests.cluster.ha.cluster import HaCluster
from tests.cluster.ha.engine import Engine
from tests.cluster.ha.faults import Faults
from tests.cluster.ha.galera import Galera
from tests.cluster.ha.measuring import BareClient, Measuring, run_bare_client
from tests.cluster.ha.network import Host, make_hosts
from tests.cluster.ha.patroni import Patroni
from tests.cluster.ha.table import Cost, describe, list_misses, write_table

ENGINES: Mapping[str, type[Engine]] = {"galera": Galera, "patroni": Patroni}
ENVIRONS: Mapping[str, Mapping[str, str]] = {
    "galera": {},
    # A lost host takes longer there than a front end tries by default.
    "patroni": {"BAZAAR_DEADLINE_S": "40"},
}
LEVEL_TIMEOUT_S = 30.0


def main() -> int:
    """Run it; return 1 where a bound is missed or a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="galera")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault")
    parser.add_argument("--only", nargs="*", default=(), help="names of faults, all by default")
    parser.add_argument("--clients", type=int, default=18, help="half of them only query")
    parser.add_argument("--seconds", type=float, default=4.0, help="that a fault lasts at least")
    parser.add_argument("--folder", type=Path, help="a new one for data and logs, which is kept")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has made is removed then, too
    with make_hosts(is_root=os.geteuid() == 0) as hosts, _folder(options.folder) as folder:
        engine = ENGINES[options.engine](hosts)
        try:
            engine.start()
            return _run(options, hosts, engine, folder)
        finally:
            if options.folder:
                engine.copy_logs(folder)
            engine.end()


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted:
        wanted.mkdir(parents=True)
        yield wanted
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def _run(options: argparse.Namespace, hosts: Sequence[Host], engine: Engine, folder: Path) -> int:
    more = {"BAZAAR_ANONYMOUS_TRADES": "1", **ENVIRONS[options.engine]}
    cluster = HaCluster(folder, hosts, engine, more)
    try:
        cluster.init()
        cluster.up()
        with run_bare_client(engine, folder) as bare:
            return _measure(options, Faults(hosts, cluster, engine), cluster, bare)
    finally:
        cluster.end()


def _measure(
    options: argparse.Namespace, faults: Faults, cluster: HaCluster, bare: BareClient
) -> int:
    measuring = Measuring(cluster, bare, fault_s=options.seconds, clients=options.clients)
    costs: list[Cost] = []
    cluster.settle()
    try:
        for name in _choose(options, faults):
            for fault in faults.named[name]():
                costs.append(measuring.measure(name, fault))
                _say(describe(costs[-1]))
    finally:
        _say_all(("", *write_table(costs), ""))
    if options.folder:
        measuring.write(options.folder / "history.jsonl")
    misses = list(list_misses(costs))
    _say_all((*misses, *map(str, measuring.failed)))
    found = prove(
        measuring.records,
        data=cluster.first.data,
        access=FrontEndAccess(urls=measuring.urls),
        level_timeout_s=LEVEL_TIMEOUT_S,
    )
    _say_all(verdict.lines(found))
    return 1 if misses or found.exit else 0


def _choose(options: argparse.Namespace, faults: Faults) -> Iterator[str]:
    """Yield the names of faults, round by round. Raises SystemExit: there is no such fault."""
    if unknown := set(options.only) - faults.named.keys():
        sys.exit(f"there is no fault {min(unknown)}; there are {', '.join(faults.named)}")
    for _ in range(options.rounds):
        yield from options.only or faults.named


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        _say(line)


if __name__ == "__main__":
    sys.exit(main())

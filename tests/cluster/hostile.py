"""
Does every port hold against hostile requests? `python -m tests.cluster.hostile`.

It brings up a cluster of its own and sends it requests made from seeds, over every port of every
role: odd, broken, cut, slow and signed ones. Every whole request must be answered, with 5xx only as
an honest 503; no log may have a traceback; nothing may change but by public trades, which are
counted one by one; and threads, descriptors and memory must be back within a minute. It prints two
tables, and each failure with its number. `--seed S --only N` sends one attempt again.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from bazaar import clock
from bazaar.protocol.signing import sign
from tests.cluster.conftest import LiveCluster
from tests.cluster.hostile_calls import Outcome, exchange
from tests.cluster.hostile_state import (
    Usage,
    await_quiet,
    measure,
    read_facts,
)
from tests.cluster.pages import DashboardUser
from tests.cluster.proof import assert_proof, ledger_keys
from tests.cluster.requests import buy, look_up, query
from tests.support.hostile import HostilePort, Sign, describe, examples_of, make_attempt

REQUESTS, THREADS = 100_000, 16
QUIET_S = 60.0
LOG_BYTES_MAX = 1_000_000
"""What a whole run may add to the logs of all processes together."""
WAITING_MAX = 300
"""Attempts whose outcome is not looked at yet."""
FAULTS_SHOWN = 40
PROGRESS = 10_000
ENVIRON = {"BAZAAR_HEAD_TIMEOUT_S": "2", "BAZAAR_BODY_TIMEOUT_S": "3"}
"""So that what never ends need not be waited for long."""
_STATUSES = (408, 413, 429, 503)
_HUNDRED = 100


@dataclass(slots=True)
class Tally:
    """What came of the attempts at one port."""

    attempts: int = 0
    requests: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    unread: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> int:
        """Count one attempt; return how many requests it was."""
        requests = max(1, len(outcome.attempt.methods))
        self.attempts += 1
        self.requests += requests
        self.answers.update(answer.status for answer in outcome.answers)
        self.unread += not outcome.answers and not outcome.fault
        self.seconds = max(self.seconds, outcome.seconds)
        if outcome.fault:
            attempt = outcome.attempt
            self.faults.append(f"--only {attempt.number} ({attempt.kind}): {outcome.fault}")
        return requests

    def row(self, name: str) -> list[str]:
        """Return its row of the table."""
        classes = Counter(status // _HUNDRED for status in self.answers.elements())
        counts = [self.attempts, self.requests, *(classes[one] for one in (2, 3, 4, 5))]
        counts += [*(self.answers[status] for status in _STATUSES), self.unread, len(self.faults)]
        return [name, *(f"{count:,}" for count in counts), f"{self.seconds:.1f}"]


HEADER = (
    *("port", "attempts", "requests", "2xx", "3xx", "4xx", "5xx"),
    *(f"of these {status}" for status in _STATUSES),
    *("not read", "wrong", "slowest, s"),
)


@dataclass(slots=True)
class HostileRun:
    """One run against one cluster."""

    cluster: LiveCluster
    seed: int
    is_short: bool = False
    """Without waiting until threads end, which takes 30 s."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    placed: set[UUID] = field(default_factory=set)
    uncertain: set[UUID] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    usages: list[tuple[str, Usage, Usage]] = field(default_factory=list)

    def run(self, count: int, threads: int = THREADS) -> None:
        """Send so many requests, then see what they have left behind."""
        warm_up(self.cluster)
        ports, signer = list_ports(self.cluster), make_signer(self.cluster)
        before, usage = read_facts(self.cluster), measure(self.cluster)
        keys = ledger_keys(self.cluster)
        self.tallies = {port.name: Tally() for port in ports}
        with ThreadPoolExecutor(threads) as pool:
            self._send_all(pool, ports, signer, count)
        self.faults += before.changes(read_facts(self.cluster))
        self._compare(keys)
        self._check_usage(usage)

    def _send_all(
        self, pool: ThreadPoolExecutor, ports: Sequence[HostilePort], signer: Sign, count: int
    ) -> None:
        """Send attempts to each port in turn, many at a time."""
        waiting = deque[tuple[HostilePort, Future[Outcome]]]()
        sent = 0
        for number in itertools.count():
            if sent < count:
                port = ports[number % len(ports)]
                waiting.append((port, pool.submit(self._try, port, number, signer)))
            if sent >= count or len(waiting) == WAITING_MAX:
                if not waiting:
                    return
                port, future = waiting.popleft()
                before, sent = sent, sent + self._take(port, future.result())
                if sent // PROGRESS > before // PROGRESS:
                    _say(f"{sent:,} requests")

    def _try(self, port: HostilePort, number: int, signer: Sign) -> Outcome:
        return exchange(port, make_attempt(port, self.seed, number, signer))

    def _take(self, port: HostilePort, outcome: Outcome) -> int:
        """Note what came of an attempt; return how many requests it was."""
        self.placed.update(outcome.placed)
        self.uncertain.update(outcome.uncertain)
        return self.tallies[port.name].add(outcome)

    def _compare(self, before: set[UUID]) -> None:
        """Hold the ledger to what the senders saw, and all databases to each other."""
        new = ledger_keys(self.cluster) - before
        self.faults += [f"order {key} was never asked for" for key in new - self._asked]
        self.faults += [f"order {key} is not in the ledger" for key in self.placed - new]
        assert_proof(self.cluster)

    @property
    def _asked(self) -> set[UUID]:
        return self.placed | self.uncertain

    def _check_usage(self, before: Mapping[str, Usage]) -> None:
        after, faults = await_quiet(
            self.cluster, before, QUIET_S, are_threads_counted=not self.is_short
        )
        self.faults += faults
        for name, usage in after.items():
            self.usages.append((name, before[name], usage))
            if usage.tracebacks:
                self.faults.append(f"{name}: {usage.tracebacks} tracebacks in its log")
        more = self.log_bytes
        if more >= LOG_BYTES_MAX:
            self.faults.append(f"all logs together have {more:,} bytes more")

    @property
    def log_bytes(self) -> int:
        """How many bytes all logs together have more than before."""
        return sum(after.log_bytes - before.log_bytes for _, before, after in self.usages)

    @property
    def sentences(self) -> list[str]:
        """What is wrong, all of it."""
        at_ports = [
            f"{name}: {one}" for name, tally in self.tallies.items() for one in tally.faults
        ]
        return [*at_ports, *self.faults]

    def tables(self) -> str:
        """Return what came of it as Markdown."""
        ports = [tally.row(name) for name, tally in self.tallies.items()]
        processes = [
            [
                name,
                f"{before.threads} -> {after.threads}",
                f"{before.descriptors} -> {after.descriptors}",
                f"{before.memory_bytes >> 20} -> {after.memory_bytes >> 20}",
                f"{after.log_bytes - before.log_bytes:,}",
                str(after.tracebacks),
            ]
            for name, before, after in self.usages
        ]
        columns = ("process", "threads", "descriptors", "memory, MiB", "log bytes", "tracebacks")
        placed = f"{len(self.placed):,} public trades were placed, each of them asked for."
        logs = f"All logs together have {self.log_bytes:,} bytes more."
        return "\n\n".join((table(HEADER, ports), table(columns, processes), placed, logs))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def make_signer(cluster: LiveCluster) -> Sign:
    """Return what signs as a member of the cluster."""
    secret = cluster.secret
    return lambda receiver, method, target, body: sign(
        secret, receiver, method, target, body, clock.wall_s()
    )


def list_ports(cluster: LiveCluster) -> list[HostilePort]:
    """Return every port of every role."""
    found, user = [], DashboardUser(cluster)
    for name, node in cluster.topology.nodes():
        role = name.partition("-")[0]
        if role == "dashboard":
            token = user.cookie.partition("bazaar_csrf=")[2].partition(";")[0]
            found.append(HostilePort(name, node.address, (), cookie=user.cookie, token=token))
            continue
        for kind, address in (("served", node.address), ("control", node.control_address)):
            urlconf = f"bazaar.urls.{role}" + ("_control" if kind == "control" else "")
            is_public = (role, kind) == ("frontend", "served")
            port = HostilePort(f"{name} {kind}", address, examples_of(urlconf), name, is_public)
            found.append(port)
    return found


def warm_up(cluster: LiveCluster) -> None:
    """Have some orders, and memory of everything that is looked up."""
    for name in ("MenhirCo", "BoarCo", "GameStart"):
        assert buy(cluster, name).status == query(cluster, name).status == 200
    assert look_up(cluster, 1).status == 200


@contextmanager
def hostile_cluster(folder: Path, *options: str) -> Iterator[LiveCluster]:
    """Bring up a healthy cluster in a folder; it ends with the block."""
    cluster = LiveCluster(folder, *options, environ={**os.environ, **ENVIRON})
    try:
        cluster.heal()
        yield cluster
    finally:
        cluster.end()


def main() -> int:
    """Run once; return the exit status."""
    options = _read_options()
    with (
        tempfile.TemporaryDirectory(prefix="bazaar-hostile-") as folder,
        hostile_cluster(Path(folder), "--server", options.server) as cluster,
    ):
        run = HostileRun(cluster, options.seed)
        if options.only is not None:
            return _send_one(run, options.only)
        began_s = clock.monotonic_s()
        run.run(options.requests, options.threads)
        _say(run.tables())
        _say(f"seed {options.seed}, {options.server}, {clock.monotonic_s() - began_s:.0f} s")
    for sentence in run.sentences[:FAULTS_SHOWN]:
        _say(f"WRONG {sentence}")
    return min(1, len(run.sentences))


def _send_one(run: HostileRun, number: int) -> int:
    warm_up(run.cluster)
    ports = list_ports(run.cluster)
    port = ports[number % len(ports)]
    attempt = make_attempt(port, run.seed, number, make_signer(run.cluster))
    outcome = exchange(port, attempt)
    _say(f"{port.name} {describe(attempt)}")
    for answer in outcome.answers:
        _say(f"{answer.status} {answer.headers}\n{answer.body[:2000]!r}")
    _say(outcome.fault or "right")
    name = port.name.partition(" ")[0]
    _say(run.cluster.data.log_path(name).read_text(errors="replace")[-3000:])
    return min(1, len(outcome.fault))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="N", help="send attempt N alone, and show it")
    parser.add_argument("--server", choices=("granian", "gunicorn"), default="granian")
    parser.add_argument("--threads", type=int, default=THREADS)
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

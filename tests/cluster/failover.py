"""
How long faults of the leader are felt: `python -m tests.cluster.failover --fault kill --times 200`.

Not part of the suite: it takes minutes, and judges times. A client trades without a pause, the next
trade when the last one is answered. Meanwhile the leader is killed and started again (`kill`), the
next one, too, while it starts (`kill-again`), the leader is paused until another one leads
(`pause`), it is stopped for a moment (`slow`), everything is stopped for a moment (`stall`), or
nothing happens (`none`, for `--seconds`). A trade felt the fault when that came while it was under
way, or just before it began. An election that no fault asked for is needless. `--clients 32` trade
beside it, from a process of their own, and `--busy 4` processes compute without end.
"""

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bazaar import clock
from bazaar.client.answers import ClientError
from bazaar.client.client import Client
from bazaar.clock import wait_until
from bazaar.cluster.parent_death import wrap_command
from bazaar.core.types import TradeType
from bazaar.management.client.trace_picture import draw_trace
from bazaar.protocol.cluster_report import Health
from bazaar.protocol.statuses import FrontEndStatus
from bench import trading
from bench.trading import Spec
from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_proof

STOCK = "GameStart"
OTHERS_S = 10.0
"""Of one run of the load generator; another one follows."""
STALL_S = 0.2
FAULT_S = 1.0
"""A fault lasts for so long after the first trade of the next leader."""
JUST_BEFORE_S = 0.05
PROGRESS_TIMEOUT_S = 30.0
DRAW_S = 0.3
"""Faults come at any time between two pings."""
BUSY = "while True: pass"
START_S = 1.5
"""About what a replica takes to start."""
ELECTIONS = {"kill": 1, "kill-again": 2, "pause": 1}
"""How many of them a fault asks for; others ask for none."""


@dataclass(frozen=True, slots=True)
class PlacedTrade:
    """A trade that was acknowledged, on the monotonic clock."""

    begun_s: float
    ended_s: float
    order_no: int

    @property
    def took_s(self) -> float:
        """How long its client waited."""
        return self.ended_s - self.begun_s


class Traders:
    """Clients that trade for as long as a `with` block runs."""

    def __init__(self, url: str, others: int) -> None:
        """others: clients beside the one whose trades are noted."""
        self.placed: list[PlacedTrade] = []
        self.failures: list[str] = []
        self.others = 0
        """Trades of the other clients."""
        self._url, self._is_ending = url, threading.Event()
        self._threads = [threading.Thread(target=self._trade, daemon=True)]
        if others:
            spec = Spec(url=url, clients=others, seconds=OTHERS_S)
            self._threads.append(threading.Thread(target=self._load, args=(spec,), daemon=True))

    def __enter__(self) -> "Traders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(PROGRESS_TIMEOUT_S)
            assert not thread.is_alive(), "the trades do not end"

    def await_trade_after(self, at_s: float) -> None:
        """Wait until a trade is acknowledged that began after a time."""
        in_time = wait_until(
            lambda: any(one.begun_s > at_s for one in self.placed[-100:]), PROGRESS_TIMEOUT_S
        )
        assert in_time, f"trades stand still: {self.failures[-3:]}"

    def _load(self, spec: Spec) -> None:
        while not self._is_ending.is_set():
            try:
                traded = trading.run(spec)
            except (SystemExit, msgspec.MsgspecError) as error:
                self.failures.append(f"the other clients: {error}")
                continue
            self.others += len(traded.took_s)
            if traded.errors:
                self.failures.append(f"the other clients: {traded.errors} trades")

    def _trade(self) -> None:
        side = TradeType.BUY
        with Client([self._url]) as client:
            while not self._is_ending.is_set():
                begun_s = clock.monotonic_s()
                try:
                    order = client.trade(STOCK, side, 1)
                except ClientError as error:
                    self.failures.append(str(error))
                    continue
                self.placed.append(PlacedTrade(begun_s, clock.monotonic_s(), order.order_no))
                side = TradeType.SELL if side is TradeType.BUY else TradeType.BUY


@dataclass(slots=True)
class Run:
    """A cluster under a load, and what faults did to it."""

    cluster: LiveCluster
    traders: Traders
    draw: random.Random
    trace_over_s: float
    felt_s: list[float] = field(default_factory=list)
    """Of each fault, the longest trade that felt it."""
    later_s: list[float] = field(default_factory=list)
    """The longest of the others until all was well again."""

    def inject(self, fault: str) -> None:
        """Inject one fault, and heal it."""
        self.cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
        self.traders.await_trade_after(clock.monotonic_s() + self.draw.uniform(0, DRAW_S))
        hit = self._prepare(fault)
        at_s = clock.monotonic_s()
        heal = hit()
        hit_s = clock.monotonic_s()
        self.traders.await_trade_after(hit_s)
        clock.wait(FAULT_S)
        heal_s = clock.monotonic_s()
        heal()
        self.cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
        self._note(at_s, hit_s, heal_s)

    def _prepare(self, fault: str) -> Callable[[], Callable[[], object]]:
        """Return what injects a fault at once and returns what heals it."""
        if fault == "stall":
            pids = [member.pid for member in self.cluster.members()]
            self.draw.shuffle(pids)
            return lambda: _stop(pids, os.kill)
        if fault == "kill-again":
            self._kill_first()
        name = self.cluster.leader()
        pid = self.cluster.view(name).pid
        if fault == "slow":
            return lambda: _stop([pid], os.killpg)
        if fault == "pause":
            return lambda: _send(pid, signal.SIGSTOP, lambda: os.killpg(pid, signal.SIGCONT))
        return lambda: _send(pid, signal.SIGKILL, lambda: self.cluster.start(name))

    def _kill_first(self) -> None:
        """Kill the leader, and have it start; return at any time before it serves."""
        name = self.cluster.leader()
        os.killpg(self.cluster.view(name).pid, signal.SIGKILL)
        self.traders.await_trade_after(clock.monotonic_s())
        supervisor = self.cluster.cluster.supervisor  # it may not have noticed the end yet
        assert wait_until(lambda: supervisor.start(name), PROGRESS_TIMEOUT_S)
        clock.wait(self.draw.uniform(0, START_S))

    def _note(self, at_s: float, hit_s: float, heal_s: float) -> None:
        trades = [one for one in self.traders.placed if one.ended_s > at_s]
        felt = [one for one in trades if one.begun_s < hit_s + JUST_BEFORE_S]
        later = [one for one in trades if one.begun_s >= hit_s + JUST_BEFORE_S]
        self.felt_s.append(max((one.took_s for one in felt), default=0.0))
        self.later_s.append(max((one.took_s for one in later), default=0.0))
        say(f"{len(self.felt_s)}: felt for {self.felt_s[-1]:.3f} s, later {self.later_s[-1]:.3f} s")
        for one in trades:
            if self.trace_over_s and one.took_s > self.trace_over_s:
                self._draw(one, at_s, heal_s)

    def _draw(self, trade: PlacedTrade, at_s: float, heal_s: float) -> None:
        say(
            f"order {trade.order_no} took {trade.took_s:.3f} s; it began "
            f"{trade.begun_s - at_s:.3f} s after the fault, {trade.begun_s - heal_s:.3f} s after "
            "healing began"
        )
        with Client([self.cluster.base_url]) as client, contextlib.suppress(ClientError):
            for line in draw_trace(client.trace(trade.order_no)):
                say(f"    {line}")


def _send(pid: int, number: signal.Signals, heal: Callable[[], object]) -> Callable[[], object]:
    os.killpg(pid, number)
    return heal


def _stop(pids: Sequence[int], send: Callable[[int, signal.Signals], None]) -> Callable[[], object]:
    """Stop processes, and let them go on after STALL_S."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                send(pid, number)
        if number is signal.SIGSTOP:
            clock.wait(STALL_S)
    return lambda: None


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Have processes beside this one that compute without end, each in a session of its own."""
    command = wrap_command([sys.executable, "-c", BUSY])
    others = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> int:
    """Run it and print a table; return 1 when a trade failed or an election was needless."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=(*ELECTIONS, "slow", "stall", "none"), default="kill")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0, help="of --fault none")
    parser.add_argument("--clients", type=int, default=0, help="that trade beside the one")
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace-over", type=float, default=0.0, help="draw slower trades; s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder))
        cluster.up()
        try:
            with busy(options.busy):
                return _run(cluster, options)
        finally:
            cluster.end()


def _run(cluster: LiveCluster, options: argparse.Namespace) -> int:
    term = cluster.look().term
    with Traders(cluster.base_url, options.clients) as traders:
        run = Run(cluster, traders, random.Random(options.seed), options.trace_over)
        begun_s = clock.monotonic_s()
        traders.await_trade_after(begun_s)
        if options.fault == "none":
            clock.wait(options.seconds)
        for _ in range(options.times if options.fault != "none" else 0):
            run.inject(options.fault)
        took_s = clock.monotonic_s() - begun_s
    elections = cluster.look().term - term
    needless = elections - options.times * ELECTIONS.get(options.fault, 0)
    _print(run, options, elections, needless)
    rate = (len(traders.placed) + traders.others) / took_s
    say(f"  {rate:.0f} trades a second, {len(traders.failures)} failures")
    for failure in traders.failures:
        say(failure)
    assert_proof(cluster)
    say("the proof holds")
    return 1 if traders.failures or needless > 0 else 0


def _print(run: Run, options: argparse.Namespace, elections: int, needless: int) -> None:
    status = run.cluster.view("frontend-1").status
    assert isinstance(status, FrontEndStatus)
    every_s = [one.took_s for one in run.traders.placed]
    rows = (
        ("trades that felt the fault", run.felt_s),
        ("the longest other trade of each", run.later_s),
        ("all trades", every_s),
    )
    say(f"fault {options.fault}, {options.clients} more clients, {options.busy} busy processes")
    for name, times_s in rows:
        say(f"  {name:34}{_summarize(times_s)}")
    say(f"  elections {elections}, needless {needless}")
    say(f"  suspicions {status.suspicions}, wrong ones {status.wrong_suspicions}")


def _summarize(times_s: Iterable[float]) -> str:
    known = sorted(times_s)
    if not known:
        return "none"
    median_s = statistics.median(known)
    return f"{len(known):6} median {median_s:.3f} s, longest {known[-1]:.3f} s"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

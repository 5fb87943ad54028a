"""
Is all there after the catalog's files are lost? `python -m tests.cluster.losses --wiped 20`.

Not part of the suite: it takes long. It brings up a cluster of its own with many orders; 8 clients
trade, and an operator changes prices. Again and again the catalog is killed and its files are
deleted; then it is made anew from the replicas (`--wiped`), or a backup of a random age is put back
(`--restored`). `--kill-replicas` kills and restarts replicas in between. After each loss every
database is read while trades go on (`loss_checks`). It prints how long trades stood still, and in
the end holds databases and clients' histories to the promises (`proof`). Exit status 1 when one is
broken.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from subprocess import CompletedProcess

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.ports import free_topology
from bazaar.cluster.sequence_file import SequenceFile
from bazaar.core.types import Head
from bench import prefill
from tests.cluster.conftest import LiveCluster
from tests.cluster.hostile import table
from tests.cluster.load import Load
from tests.cluster.loss_checks import LossChecks
from tests.cluster.price_changes import PriceChanges
from tests.cluster.proof import assert_proof

CLIENTS = 8
BETWEEN_S = (0.5, 4.0)
"""Of load between two losses, and while a replica is dead."""
BACKUPS_MAX = 6
"""Backups that are kept to choose from."""
AGAIN_MAX_S = 10.0
"""From the kill to the next acknowledged trade, the commands included."""
COMMAND_TIMEOUT_S = 300.0
TRADE_TIMEOUT_S = LAST_ATTEMPT_S = 180.0
"""For a trade to end, be the cluster away."""
WIPED, RESTORED = "wiped, rebuilt", "backup put back"
COLUMNS = (
    *("loss", "times", "kill to trade, s: median", "worst", "command, s: median", "worst"),
    *("command to trade, s: median", "worst", "errors: definite", "indefinite", "tried again"),
)


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss as it was."""

    kind: str
    silent_s: float
    """From the kill to the next acknowledged trade."""
    command_s: float
    """How long the commands took that bring the catalog back."""
    again_s: float
    """From their end to the next acknowledged trade; 0 when one came before."""
    span: tuple[int, float]
    """The place in the history where it began, and when trades came again there."""
    note: str

    def __str__(self) -> str:
        return (
            f"{self.kind}{self.note}: no trade for {self.silent_s:.1f} s; commands "
            f"{self.command_s:.1f} s, a trade {self.again_s:.1f} s later"
        )


@dataclass(slots=True)
class LossRun:
    """Losses of one cluster's catalog, one after the other."""

    cluster: LiveCluster
    draw: random.Random
    backups: Path
    """The folder of the backups."""
    has_killed_replicas: bool = False
    is_full: bool = True
    """Whether its clients never rest."""
    between_s: tuple[float, float] = BETWEEN_S
    again_max_s: float = AGAIN_MAX_S
    losses: list[Loss] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, wiped: int, restored: int) -> None:
        """Lose the catalog so many times under load, then prove that nothing else was lost."""
        before = read_heads(self.cluster)
        self._back_up()
        kinds = [WIPED] * wiped + [RESTORED] * restored
        self.draw.shuffle(kinds)
        urls = [self.cluster.url(f"frontend-{one.id}") for one in self.cluster.topology.front_ends]
        with (
            Load(urls, CLIENTS, is_full=self.is_full) as load,
            PriceChanges(self.cluster) as prices,
        ):
            checks = LossChecks(self.cluster.data.root)
            for number, kind in enumerate(kinds, start=1):
                self._pass_time(load)
                self.losses.append(self._lose(load, kind))
                _say(f"{number}: {self.losses[-1]}")
                wrong = checks.find_wrong(load.acknowledged, tuple(prices.acknowledged))
                self._note(*wrong)
            load.await_progress()
        _say(self.table(load))
        _say(f"{len(load.acknowledged)} trades, {len(prices.acknowledged)} prices acknowledged")
        self._prove(load, prices, before)

    def _pass_time(self, load: Load) -> None:
        """Let trades go on, and replicas die if they are to; make a backup sometimes."""
        await_trade(load, len(load.done))
        clock.wait(self.draw.uniform(*self.between_s))
        if self.has_killed_replicas:
            self._break_replica()
        if self.draw.random() < 1 / 2:
            self._back_up()

    def _break_replica(self) -> None:
        if self.draw.random() < 1 / 2:
            self._command("restart", "leader")
            return
        name = self.draw.choice([view.name for view in self.cluster.look().replicas])
        self.cluster.kill(name)
        clock.wait(self.draw.uniform(*self.between_s))
        self._command("start", name)

    def _back_up(self) -> None:
        """Make one more backup; forget a random one when there are many."""
        done = self._command("backup", str(self.backups))
        assert done.returncode == 0, "no backup"
        if len(files := sorted(self.backups.iterdir())) > BACKUPS_MAX:
            self.draw.choice(files).unlink()

    def _lose(self, load: Load, kind: str) -> Loss:
        """Kill the catalog, delete its files, bring it back, and wait for the next trade."""
        first, killed_s = len(load.done), clock.monotonic_s()
        self.cluster.kill("catalog")
        files = list(self.cluster.data.root.glob("catalog.sqlite3*"))
        assert files, "the catalog has files"
        for file in files:
            file.unlink()
        began_s, note = clock.monotonic_s(), ""
        if kind == WIPED:
            self._command("rebuild", "catalog")
        else:
            backup = self.draw.choice(sorted(self.backups.iterdir()))
            note = f" ({backup.name})"
            self._command("restore", str(backup))
            self._command("start", "catalog")
        ended_s, last = clock.monotonic_s(), len(load.done)
        again_s, origin_s = await_trade(load, last) - ended_s, load.origin_s
        silent_s = load.longest_gap_s(killed_s - origin_s, ended_s - origin_s)
        if silent_s > self.again_max_s:
            self._note(f"{kind}: no trade for {silent_s:.1f} s")
        return Loss(
            kind,
            silent_s=silent_s,
            command_s=ended_s - began_s,
            again_s=again_s,
            span=(first, ended_s + again_s - origin_s),
            note=note,
        )

    def _command(self, *words: str) -> CompletedProcess[str]:
        """Run a command of the cluster, and note when it fails."""
        done = self.cluster.run(*words, timeout_s=COMMAND_TIMEOUT_S)
        if done.returncode:
            self._note(f"`cluster {' '.join(words)}`: {done.stdout} {done.stderr}")
        return done

    def _note(self, *sentences: str) -> None:
        """Note what is wrong, and print it at once."""
        self.wrong += sentences
        for sentence in sentences:
            _say(f"WRONG {sentence}")

    def _prove(self, load: Load, prices: PriceChanges, before: dict[str, Head]) -> None:
        try:
            assert_proof(self.cluster, load)
        except AssertionError as error:
            self._note(f"not proved: {error}")
        self._note(*prices.find_wrong(self.cluster, load))
        for name, head in before.items():
            with SequenceFile(self.cluster.data.root / f"{name}.sqlite3") as file:
                if file.head_at(head.position) != head:
                    self._note(f"{name} has other entries than before, up to {head}")
        if not prices.acknowledged:
            self._note("no price change was acknowledged")

    def table(self, load: Load) -> str:
        """Return what was measured as Markdown."""
        by_kind = ([one for one in self.losses if one.kind == kind] for kind in (WIPED, RESTORED))
        return table(COLUMNS, [_row(losses, load) for losses in by_kind if losses])


def read_heads(cluster: LiveCluster) -> dict[str, Head]:
    """Return where each database's sequence ends, as its file says."""
    names = ["catalog", *(f"order-{node.id}" for node in cluster.topology.replicas)]
    heads = {}
    for name in names:
        with SequenceFile(cluster.data.root / f"{name}.sqlite3") as file:
            heads[name] = file.head
    return heads


def await_trade(load: Load, first: int) -> float:
    """Wait for an acknowledged trade at or after a place in the history; return when it ended."""
    place = first

    def has_come() -> bool:
        nonlocal place
        while place < len(load.done):
            done = load.done[place]
            if done.kind == "trade" and done.outcome == "ok":
                return True
            place += 1
        return False

    assert wait_until(has_come, TRADE_TIMEOUT_S), f"trades stand still: {load.done[-3:]}"
    return load.origin_s + (load.done[place].done_s or 0.0)


def count_errors(load: Load, loss: Loss) -> Counter[str]:
    """Count the trades that were sent until trades came again and were not placed at once."""
    errors, (first, until_s) = Counter[str](), loss.span
    for done in load.done[first:]:
        if done.sent_s > until_s + LAST_ATTEMPT_S:
            break
        if done.kind != "trade" or done.sent_s > until_s:
            continue
        if done.outcome not in ("ok", "refused"):
            errors["indefinite" if done.outcome == "indefinite" else "definite"] += 1
        elif done.attempts > 1:
            errors["tried again"] += 1
    return errors


def _row(losses: Sequence[Loss], load: Load) -> list[str]:
    row = [losses[0].kind, str(len(losses))]
    for times in zip(*((one.silent_s, one.command_s, one.again_s) for one in losses), strict=True):
        row += [f"{median(times):.1f}", f"{max(times):.1f}"]
    errors = sum((count_errors(load, one) for one in losses), Counter[str]())
    return row + [str(errors[name]) for name in ("definite", "indefinite", "tried again")]


def make_cluster(folder: Path, orders: int) -> LiveCluster:
    """Make a cluster of two front ends that has so many orders; it is not up yet."""
    cluster = LiveCluster(folder, nodes=free_topology(front_ends=2))
    done = cluster.run("init", "--stocks", "asterix")
    assert done.returncode == 0, done.stderr
    prefill.add_orders(cluster.data, cluster.topology, orders)
    return cluster


def main() -> int:
    """Run it and print what was found."""
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="bazaar-losses-") as folder, ExitStack() as stack:
        cluster = make_cluster(Path(folder), options.orders)
        stack.callback(cluster.end)
        cluster.heal()
        (backups := Path(folder) / "backups").mkdir()
        draw = random.Random(options.seed)
        run = LossRun(cluster, draw, backups, options.kill_replicas, again_max_s=options.again_max)
        run.run(options.wiped, options.restored)
    if not run.wrong:
        _say("proved: no order or price was lost, doubled, renumbered or read too old")
    return min(1, len(run.wrong))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.losses", description=__doc__)
    parser.add_argument("--wiped", type=int, default=0, metavar="N")
    parser.add_argument("--restored", type=int, default=0, metavar="N")
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--kill-replicas", action="store_true", help="and restart the leader")
    parser.add_argument("--again-max", type=float, default=AGAIN_MAX_S, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

"""
Run every command of docs/OPERATING.md, in its order: `python -m tests.cluster.operating`.

The page is one session of an operator. It is run in a copy of this checkout, with free ports and
folders of its own under a folder that stands for `/`; ports and paths are those of the page again
in what is compared. What differs from the page is printed, but for times, process ids, digests and
who was elected. `--write` puts what the commands print into the page instead. A line `...` on the
page stands for any lines. Exit status 1: something differs.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bazaar import clock, topology
from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.operations import Cluster
from bazaar.cluster.parent_death import wrap_command
from bazaar.cluster.ports import free_topology
from bazaar.settings import env
from bazaar.topology import Topology, format_address

PAGE = env.ROOT / "docs" / "OPERATING.md"
CHECKOUT = "srv/bazaar"
"""Where the page has the checkout, below `/`."""
COPIED = ("bazaar", "docs", "catalog_app", "dashboard", "fixtures", "frontend_app", "order_app")
COMMAND_TIMEOUT_S = 90.0
UP_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
STATUS_TIMEOUT_S = 30.0
STATUS_PAUSE_S = 0.2
"""For the health that the page shows; it is asked for again and again, after a pause."""
ANY_LINES = "..."
_PATH = re.compile(r"(?<![\w./])/(?=srv/|backups\b)")
"""What a path on the page begins with."""
_DATA = re.compile(r"--data (\S+)")
_UP, _IS_UP = "cluster up", " up, "
_LEADS = re.compile(r"<!-- (order-\d+) leads -->")
_PORT_ENDS = r"(?!\d)"
_CHANGING = {
    r"\b\d\d:\d\d:\d\d\b": "TIME",
    r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b": "UUID",
    r"\b[0-9a-f]{64}\b|(?<=-)[0-9a-f]{12}(?=\.)": "DIGEST",
    r"\b(pid|process group) \d+": r"\1 N",
    r"\bterm( +)\d+": r"term\1N",
    r"\bup, [a-z ]+: [\w-]+ leads": "up, STATE",
    r"\border-\d+ leads": "order-N leads",
    r"\b[\d.]+ ms\b": "N ms",
    r"(?<=sign in as admin with )\S+": "PASSWORD",
}
"""What is another one in each run."""


@dataclass(slots=True)
class Step:
    """One command of the page, and what it prints."""

    command: str
    place: int
    """The first line after it."""
    leader: str = ""
    """Which replica has to lead before."""
    printed: list[str] = field(default_factory=list)

    def find_difference(self, lines: list[str]) -> str:
        """Return what a run printed instead, in words; nothing when it is the same."""
        if is_same(self.printed, lines):
            return ""
        return "\n".join([f"$ {self.command}", *lines, "-- but the page has", *self.printed])


def read_steps(text: str) -> list[Step]:
    """Return the commands of a page: the lines that begin with `$ ` in its blocks of code."""
    steps: list[Step] = []
    is_code, is_printed, leader = False, False, ""
    for place, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            is_code, is_printed = not is_code, False
        elif is_code and line.startswith("$ "):
            is_printed = True
            steps.append(Step(line.removeprefix("$ "), place, leader))
            leader = ""
        elif is_printed:
            steps[-1].printed.append(line)
        elif found := _LEADS.match(line):
            leader = found[1]
    return steps


def shape(line: str) -> str:
    """Return a line without what is another one in each run."""
    for pattern, name in _CHANGING.items():
        line = re.sub(pattern, name, line)
    return line.rstrip()


def is_same(page: list[str], lines: list[str]) -> bool:
    """Tell whether a command printed what the page has."""
    wanted, found = [*map(shape, page)], [*map(shape, lines)]
    if ANY_LINES not in wanted:
        return wanted == found
    before, after = _split(wanted)
    fits = len(before) + len(after) <= len(found)
    return fits and found[: len(before)] == before and found[len(found) - len(after) :] == after


def _split(page: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines before and after `...`."""
    place = page.index(ANY_LINES)
    return page[:place], page[place + 1 :]


def shorten(page: list[str], lines: list[str]) -> list[str]:
    """Leave out of what was printed what the page leaves out."""
    if ANY_LINES not in page:
        return lines
    before, after = _split(page)
    return [*lines[: len(before)], ANY_LINES, *lines[len(lines) - len(after) :]]


class Session:
    """A shell in a folder that stands for `/`."""

    def __init__(self, root: Path) -> None:
        """Copy the checkout; root: an empty folder."""
        self.root, self.checkout = root, root / CHECKOUT
        self.checkout.mkdir(parents=True)
        for name in COPIED:
            shutil.copytree(env.ROOT / name, self.checkout / name)
        shutil.copy2(env.ROOT / "manage.py", self.checkout)
        (self.checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
        self.nodes = free_topology()
        (root / "nodes.toml").write_text(topology.dump(self.nodes), encoding="utf-8")
        self._environ = {
            **{name: text for name, text in os.environ.items() if "DJANGO" not in name},
            "BAZAAR_CLUSTER": str(root / "nodes.toml"),
        }
        self._environ.pop("BAZAAR_DATA_DIR", None)
        self._ups: list[subprocess.Popen[bytes]] = []

    def run(self, step: Step) -> list[str]:
        """Run a command as it is on the page; return what it prints, as the page would have it."""
        if step.leader:
            self._make_leader(step.leader)
        if _UP in step.command:
            return self._bring_up(step)
        if "cluster status" in step.command:
            self._await_health(step)
        return self._run_once(step.command)

    def _await_health(self, step: Step) -> None:
        """Wait for the health that the page shows; to ask from here costs less than a command."""
        named = _DATA.search(self._localize(step.command))
        data = DataDir(Path(named[1]) if named else self.checkout / "var")
        with contextlib.closing(Cluster(data, self._environ)) as cluster:

            def is_shown() -> bool:
                health = cluster.take_snapshot().health
                return any(line.startswith(f"{health}:") for line in step.printed)

            wait_until(is_shown, STATUS_TIMEOUT_S, lambda _: clock.wait(STATUS_PAUSE_S))

    def _run_once(self, command: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", self._localize(command)],
            env=self._environ,
            cwd=self.checkout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return self._publish(done.stdout)

    def _bring_up(self, step: Step) -> list[str]:
        """Run `cluster up` in a terminal of its own, until it has printed its last line."""
        path = self.root / f"up-{len(self._ups)}"
        shell = ["bash", "-c", f"exec {self._localize(step.command)}"]
        with path.open("wb") as output:
            process = subprocess.Popen(
                wrap_command(shell),
                env=self._environ,
                cwd=self.checkout,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._ups.append(process)
        wait_until(lambda: _IS_UP in path.read_text() or process.poll() is not None, UP_TIMEOUT_S)
        lines = self._publish(path.read_text())
        ends = [place for place, line in enumerate(lines, start=1) if _IS_UP in line]
        return lines[: ends[0]] if ends else lines

    def _make_leader(self, name: str) -> None:
        """Have a replica lead: the others are stopped until it does."""
        data = DataDir(self.checkout / "var")
        with contextlib.closing(Cluster(data, self._environ)) as cluster:
            others = [node for node in cluster.nodes if node.startswith("order-") and node != name]

            def leads() -> bool:
                leader = cluster.take_snapshot().leader
                return leader is not None and leader.name == name

            if wait_until(leads, 0.0):
                return
            for other in others:
                cluster.stop(other)
            assert wait_until(leads, STATUS_TIMEOUT_S), f"{name} does not lead"
            for other in others:
                cluster.start(other)

    def _localize(self, command: str) -> str:
        """Return a command of the page with this session's folders."""
        return _PATH.sub(f"{self.root}/", command)

    def _publish(self, text: str) -> list[str]:
        """Return what was printed with the page's folders and ports."""
        text = text.replace(str(self.root), "")
        for here, there in _pair_addresses(self.nodes):
            text = re.sub(re.escape(here) + _PORT_ENDS, there, text)
        return text.splitlines()

    def end(self) -> None:
        """End every `cluster up`, and see that it is gone."""
        for process in self._ups:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(END_TIMEOUT_S)


def _pair_addresses(nodes: Topology) -> Iterator[tuple[str, str]]:
    """Yield each address of a cluster with the default one in its place."""
    default = dict(topology.local(len(nodes.replicas), len(nodes.front_ends)).nodes())
    for name, here in nodes.nodes():
        there = default[name]
        yield format_address(*here.address), format_address(*there.address)
        yield format_address(*here.control_address), format_address(*there.control_address)


def run_page(steps: list[Step], root: Path) -> Iterator[tuple[Step, list[str]]]:
    """Run all commands in an empty folder; yield each with what it printed."""
    session = Session(root)
    try:
        for step in steps:
            yield step, session.run(step)
    finally:
        session.end()


def main() -> int:
    """Run the page, and print what differs or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what was printed to the page")
    is_writing = parser.parse_args().write
    text, differences = PAGE.read_text(encoding="utf-8"), 0
    lines = text.splitlines()
    with tempfile.TemporaryDirectory(prefix="op-") as folder:
        done = [*run_page(read_steps(text), Path(folder))]
    for step, printed in reversed(done):
        if difference := step.find_difference(printed):
            differences += 1
            _say(difference)
        if is_writing:
            lines[step.place : step.place + len(step.printed)] = shorten(step.printed, printed)
    if is_writing:
        PAGE.write_text("\n".join([*lines, ""]), encoding="utf-8")
    _say(f"{len(done)} commands, {differences} printed something else than the page has")
    return min(1, differences)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

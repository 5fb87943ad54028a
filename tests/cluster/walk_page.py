"""
What docs/THREE-HOSTS.md says to do, and what it says comes of it.

A line `one# COMMAND` in a block of code is typed on the host `one`, `each# COMMAND` on all of them,
one after another; what follows is what it prints. The lines of a block after "`/etc/NAME` on each:"
are that file. Comments that no reader sees say the rest: `<!-- galera -->` and `<!-- patroni -->`
begin what is for one engine, `<!-- both -->` ends it; `<!-- power off: two -->` and
`<!-- power on: two three -->` are what they say.
"""

import re
from dataclasses import dataclass, field

from tests.cluster.operating import is_same

EACH = "each"
ENGINES = ("galera", "patroni")
_PROMPT = re.compile(r"(\w+)# (.+)")
_FILE = re.compile(r"`(/[^`]+)` on (\w+):$")
_ENGINE = re.compile(r"<!-- (galera|patroni|both) -->")
_POWER = re.compile(r"<!-- power (on|off): ([\w ]+) -->")
_CHANGING = {
    r"\b\d+\.\d+\.\d+-MariaDB\S*": "VERSION",
    r"\b[0-9a-f]{16,32}\b": "ID",
    r" \((active|standby|leader)\)": "",
    r"\b(running|stopped) +\d+": r"\1 N",
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+": "TIME TERM",
    r"\b\d{4}-\d\d-\d\d\b": "DATE",
    r"timed out|\[Errno 113\] No route to host": "SILENT",
    r"\| (Leader|Sync Standby|Replica) ": "| ROLE ",
    r"\| +\d+ \| +\d* +\|$": "| TIMELINE | LAG |",
    r"\btook = \S+": "took = N",
    r"─+|-{3,}": "─",
    r"  +": "  ",
    r"\b[\d.]+ s\b": "N s",
}
"""What is another one in each run, besides what is so on docs/OPERATING.md."""


@dataclass(slots=True)
class Typed:
    """A command on some hosts, and what each of them prints."""

    host: str
    command: str
    place: int
    """The line after it, from 0."""
    printed: list[str] = field(default_factory=list)

    def find_difference(self, host: str, lines: list[str]) -> str:
        """Return what a host printed instead, in words; nothing when it is the same."""
        if is_same(shape(self.printed), shape(lines)):
            return ""
        return "\n".join([f"{host}# {self.command}", *lines, "-- but the page has", *self.printed])


@dataclass(frozen=True, slots=True)
class Written:
    """A file on some hosts."""

    host: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Powered:
    """A host that is switched on, or loses its power."""

    host: str
    is_on: bool


Step = Typed | Written | Powered


class Reader:
    """Reads a page line by line."""

    def __init__(self, engine: str) -> None:
        """engine: whose steps are wanted."""
        self.steps: list[Step] = []
        self._engine, self._wanted = engine, True
        self._file: tuple[str, str] | None = None
        self._block: list[str] | None = None
        self._typed: Typed | None = None

    def read(self, place: int, line: str) -> None:
        """Read one line; place: its number, from 0."""
        if line.startswith("```"):
            self._turn()
        elif self._block is not None:
            self._read_code(place, line)
        elif line:
            self._read_prose(line)

    def _turn(self) -> None:
        """Begin or end a block of code."""
        if self._block is None:
            self._block = []
            return
        if self._file and self._wanted:
            host, path = self._file
            self.steps.append(Written(host, path, "\n".join([*self._block, ""])))
        self._block = self._file = self._typed = None

    def _read_code(self, place: int, line: str) -> None:
        assert self._block is not None
        self._block.append(line)
        if self._file or not self._wanted:
            return
        if found := _PROMPT.fullmatch(line):
            self._typed = Typed(found[1], found[2], place + 1)
            self.steps.append(self._typed)
        elif self._typed:
            self._typed.printed.append(line)

    def _read_prose(self, line: str) -> None:
        if found := _ENGINE.match(line):
            self._wanted = found[1] in ("both", self._engine)
        elif (found := _POWER.match(line)) and self._wanted:
            for host in found[2].split():
                self.steps.append(Powered(host, found[1] == "on"))
        found = _FILE.search(line)
        self._file = (found[2], found[1]) if found else None


def read_page(text: str, engine: str) -> list[Step]:
    """Return what the page says to do for an engine, in its order."""
    reader = Reader(engine)
    for place, line in enumerate(text.splitlines()):
        reader.read(place, line)
    return reader.steps


def shape(lines: list[str]) -> list[str]:
    """Return lines without what is another one in each run here."""
    return [_shape(line) for line in lines]


def _shape(line: str) -> str:
    for pattern, name in _CHANGING.items():
        line = re.sub(pattern, name, line)
    return line


def write_page(text: str, done: list[tuple[Typed, list[str]]]) -> str:
    """Return the page with what its commands have printed; of several hosts, on the first."""
    lines = text.splitlines()
    found = {step.place: (step, printed) for step, printed in reversed(done)}
    for place in sorted(found, reverse=True):
        step, printed = found[place]
        lines[place : place + len(step.printed)] = [line.rstrip() for line in printed]
    return "\n".join([*lines, ""])

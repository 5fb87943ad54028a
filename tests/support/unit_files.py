"""
Unit files of systemd, as far as those of services need: read, not run.

What is not read: templates, conditions, dependencies other than `After=`, limits and sandboxes.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIX = ".service"
FOLDERS = ("etc/systemd/system", "run/systemd/system", "lib/systemd/system")
"""Where units are, below `/`; the first one that has it counts."""
_FLAGS = "-+!"
"""What a command may begin with: it may fail, and it has the rights of root (both others)."""
_IN_WORD = re.compile(r"\$\{(\w+)\}")
_WORD = re.compile(r"\$(\w+)")
_SPAN = re.compile(r"(\d+)\s*(ms|min|s|h|)")
_UNITS_S = {"ms": 0.001, "": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(slots=True)
class UnitFile:
    """What a unit's file and its drop-ins say, last word last."""

    name: str
    settings: dict[str, list[str]] = field(default_factory=dict)
    """By `Section.Name`; whatever stands in one line is one text."""

    def read(self, setting: str, default: str = "") -> str:
        """Return the last value of a setting."""
        return self.settings.get(setting, [default])[-1]

    def list(self, setting: str) -> list[str]:
        """Return all its values."""
        return self.settings.get(setting, [])

    def span_s(self, setting: str, default_s: float) -> float:
        """Return a span of time, such as `90`, `5s` or `1min 30s`."""
        text = self.read(setting)
        if not text:
            return default_s
        return sum(int(number) * _UNITS_S[unit] for number, unit in _SPAN.findall(text))


@dataclass(frozen=True, slots=True)
class Command:
    """A line of `ExecStart=` and the like."""

    words: list[str]
    may_fail: bool
    is_root: bool
    """It keeps all rights, whatever `User=` says."""


def parse_unit(name: str, *texts: str) -> UnitFile:
    """Return what a unit's file and then its drop-ins say; an empty value forgets those before."""
    unit = UnitFile(name)
    for text in texts:
        section = ""
        for line in _lines(text):
            if line.startswith("["):
                section = line.strip("[]")
                continue
            setting, _, value = line.partition("=")
            values = unit.settings.setdefault(f"{section}.{setting.strip()}", [])
            if value.strip():
                values.append(value.strip())
            else:
                values.clear()
    unit.settings = {setting: values for setting, values in unit.settings.items() if values}
    return unit


def read_unit(name: str, root: Path = Path("/")) -> UnitFile | None:
    """Return the unit of that name (`mariadb` or `mariadb.service`); None: there is none."""
    name = name if name.endswith(SUFFIX) else name + SUFFIX
    paths = [path for folder in FOLDERS if (path := root / folder / name).is_file()]
    if not paths:
        return None
    dropped = {
        path.name: path
        for folder in reversed(FOLDERS)
        for path in sorted((root / folder / f"{name}.d").glob("*.conf"))
    }
    found = [paths[0], *(dropped[key] for key in sorted(dropped))]
    return parse_unit(name, *(path.read_text(encoding="utf-8") for path in found))


def parse_command(line: str, environ: Mapping[str, str]) -> Command:
    """Return a command as systemd would run it: `$NAME` is some words, `${NAME}` a part of one."""
    program = line.lstrip(_FLAGS)
    flags = line[: len(line) - len(program)]
    words: list[str] = []
    for word in shlex.split(program):
        if named := _WORD.fullmatch(word):
            words += environ.get(named[1], "").split()
        else:
            text = _IN_WORD.sub(lambda found: environ.get(found[1], ""), word)
            words.append(text.replace("$$", "$"))
    return Command(words, "-" in flags, bool(set(flags) & {"+", "!"}))


def fill_in(text: str, unit: str, host: str) -> str:
    """Return a value with its specifiers' meaning: the unit, its name, this host."""
    meanings = {"%n": unit, "%p": unit.removesuffix(SUFFIX), "%H": host, "%%": "%"}
    return re.sub("%[npH%]", lambda found: meanings[found[0]], text)


def parse_environment(lines: list[str]) -> dict[str, str]:
    """Return the variables of `Environment=` lines: quoted assignments, several a line."""
    return dict(word.split("=", 1) for line in lines for word in shlex.split(line) if "=" in word)


def parse_environment_file(text: str) -> dict[str, str]:
    """Return the variables of a file that `EnvironmentFile=` names: one a line, maybe quoted."""
    found = {}
    for line in _lines(text):
        name, is_there, value = line.partition("=")
        if is_there:
            found[name.strip()] = value.strip().strip("\"'")
    return found


def sort_by_start(units: list[UnitFile]) -> list[UnitFile]:
    """Return units in an order in which each comes after those that it names in `After=`."""
    by_name = {unit.name: unit for unit in units}
    done: dict[str, UnitFile] = {}

    def add(unit: UnitFile) -> None:
        if unit.name in done:
            return
        for name in " ".join(unit.list("Unit.After")).split():
            if name in by_name and name != unit.name:
                add(by_name[name])
        done[unit.name] = unit

    for unit in units:
        add(unit)
    return list(done.values())


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that say something; one that ends with a backslash goes on in the next."""
    whole = ""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")) or not (whole or line.strip()):
            continue
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        yield (whole + line).strip()
        whole = ""

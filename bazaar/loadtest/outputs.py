"""Files that a run writes; checked before the load begins."""

import csv
import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from bazaar.cluster.data_dir import write_whole
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.report.page import render
from bazaar.loadtest.summary import Second, Summary
from bazaar.proof.records import Header, HistoryWriter, Record

STANDARD_OUTPUT = "-"
PAGE = "index.html"
"""Of a report."""


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The files that the command asks for; None where it asks for none."""

    json: str | None = None
    csv: str | None = None
    history: str | None = None
    report: str | None = None

    @property
    def is_json_shown(self) -> bool:
        """Whether the standard output is for a program."""
        return self.json == STANDARD_OUTPUT

    def check(self) -> None:
        """Check that every file can be written. Raises CommandFailed (2)."""
        for option, name in (("--json", self.json), ("--csv", self.csv)):
            if name and not (option == "--json" and name == STANDARD_OUTPUT):
                _check_file(option, Path(name))
        if self.report:
            prepare_folder("--report", Path(self.report))

    def write(self, summary: Summary) -> list[str]:
        """Write all files but the history; return what failed, a sentence each."""
        found = []
        for option, name, write in (
            ("--json", self.json, _write_json),
            ("--csv", self.csv, _write_csv),
            ("--report", self.report, write_report),
        ):
            if name is None:
                continue
            try:
                with writing(option, name):
                    write(name, summary)
            except CommandFailed as error:
                found.append(str(error))
        return found


@contextmanager
def writing(option: str, path: Path | str) -> Iterator[None]:
    """Turn an OSError into a sentence. Raises CommandFailed (2)."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CommandFailed(f"{option}: {path} cannot be written ({reason}).") from error


def prepare_folder(option: str, folder: Path) -> None:
    """Make a folder; check that it can be written to. Raises CommandFailed (2)."""
    with writing(option, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def _check_file(option: str, path: Path) -> None:
    with writing(option, path):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def _write_json(name: str, summary: Summary) -> None:
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"
    if name == STANDARD_OUTPUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        _write_file(Path(name), text)


def _write_csv(name: str, summary: Summary) -> None:
    """Write the series: one row for each second and kind of operation."""
    text = io.StringIO()
    columns = Second.__struct_fields__
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([getattr(one, column) for column in columns] for one in summary.series)
    _write_file(Path(name), text.getvalue())


def _write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all; never replace a device or a pipe."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
    else:
        write_whole(path, text)


def write_report(name: str, summary: Summary) -> None:
    """Write the page of a run into a folder. May raise OSError."""
    Path(name).mkdir(parents=True, exist_ok=True)
    write_whole(Path(name) / PAGE, render(summary))


class History:
    """The history of a run, in the given file or a temporary one for the proof."""

    def __init__(self, options: str | None, header: Header) -> None:
        """Begin it. Raises CommandFailed (2)."""
        self._passing: tempfile.TemporaryDirectory[str] | None = None
        if options is None:
            self._passing = tempfile.TemporaryDirectory(prefix="bazaar-load-")
            self.path = Path(self._passing.name) / "history.jsonl"
        else:
            self.path = Path(options)
        self.failure: str | None = None
        """Why it is not whole, once it is not."""
        try:
            self._writer = HistoryWriter(self.path, header)
        except OSError as error:
            self.discard()
            raise CommandFailed(f"--history: {self._describe(error)}") from error

    def write(self, record: Record) -> None:
        """Add one operation; note the first failure."""
        try:
            self._writer.write(record)
        except OSError as error:
            self._fail(error)

    def write_line(self, line: bytes) -> None:
        """Add a line as it came from a process."""
        if self.failure is None:
            try:
                self._writer.write_encoded(line)
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Write what is left."""
        try:
            self._writer.close()
        except OSError as error:
            self._fail(error)

    def discard(self) -> None:
        """Delete it, if it is temporary."""
        if self._passing is not None:
            self._passing.cleanup()

    def _fail(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = self._describe(error)

    def _describe(self, error: OSError) -> str:
        return f"{self.path} cannot be written ({error.strerror})."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.discard()

"""
The supervisor's program: supervisord, which no line of a log can end.

`python -m bazaar.cluster.supervisord -c FILE`. By itself supervisord prints what is wrong with a
log to its standard error, which is on the same disk as a rule, and ends when that fails as well: a
full disk would end every process of the cluster. Here lines are lost, and counted, while they
cannot be written.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from supervisor import loggers
from supervisor.options import ServerOptions
from supervisor.supervisord import main

_ERROR_OUTPUT = 2
"""The file descriptor of standard error."""


class ProcessLog(loggers.RotatingFileHandler):
    """The log of one process: rotated, without the lines that its disk does not take."""

    stream: io.FileIO | None

    def __init__(self, path: str, _mode: str, bytes_max: int, backups: int) -> None:
        """Begin or continue a log; the mode is always to append."""
        loggers.Handler.__init__(self)
        self.baseFilename, self.maxBytes, self.backupCount = path, bytes_max, backups
        self.lines_lost = 0
        self.reopen()

    def reopen(self) -> None:
        """Open the file anew; if that fails, the next line tries again."""
        self.close()
        with suppress(OSError):
            self._open()

    def close(self) -> None:
        """Close the file, if it is open."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()

    def emit(self, record: Any) -> None:
        """Write lines; count those that the disk does not take."""
        text = record.msg if isinstance(record.msg, bytes) else self._make_line(record)
        try:
            if self.lines_lost:
                self._write(f"\n{self._describe_loss()}\n".encode())
                self.lines_lost = 0
            self._write(text)
        except OSError:
            self.lines_lost += max(text.count(b"\n"), 1)
            self.close()

    def _describe_loss(self) -> str:
        sentence = f"{self.lines_lost} lines are lost: the disk failed"
        if os.environ.get("BAZAAR_LOG") != "json":
            return sentence
        make_line = import_module("bazaar.runtime.log_lines").make_line
        line: str = make_line("json", sentence, role=Path(self.baseFilename).stem.partition("-")[0])
        return line

    def _make_line(self, record: Any) -> bytes:
        line: str = self.fmt % record.asdict()
        return line.encode(errors="replace")

    def _write(self, text: bytes) -> None:
        """Append to the file. Raises OSError: not all of it is there."""
        stream = self.stream or self._open()
        if stream.tell() >= self.maxBytes:
            stream = self._rotate()
        if stream.write(text) != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self) -> io.FileIO:
        self.stream = stream = io.FileIO(self.baseFilename, "ab")
        stream.seek(0, os.SEEK_END)
        return stream

    def _rotate(self) -> io.FileIO:
        """Begin a new file; the old one becomes the newest backup."""
        self.close()
        names = [self.baseFilename]
        names += [f"{self.baseFilename}.{number + 1}" for number in range(self.backupCount)]
        for name, older_name in reversed(list(pairwise(names))):
            with suppress(FileNotFoundError):
                os.replace(name, older_name)  # noqa: PTH105
        return self._open()


class ErrorOutput(io.TextIOBase):
    """Standard error, without what its disk does not take."""

    def write(self, text: str) -> int:
        """Write a text as far as possible."""
        with suppress(OSError):
            os.write(_ERROR_OUTPUT, text.encode(errors="replace"))
        return len(text)


def begin_session(_: ServerOptions) -> None:
    """
    Begin a session, and with it a process group, in a process that starts.

    Linux divides a busy machine among sessions: in one for all, a whole cluster would get no more
    of it than any single program beside it (docs/adr/0056).
    """
    os.setsid()


if __name__ == "__main__":
    loggers.RotatingFileHandler = ProcessLog
    ServerOptions.setpgrp = begin_session
    sys.stderr = ErrorOutput()
    main()

"""
Commands of `manage.py` in a copy of this process, which has loaded already what they need.

A process of their own takes half a second of a processor, nearly all of it to import.
"""

import contextlib
import io
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from subprocess import CompletedProcess, TimeoutExpired

import msgspec
from django.db import connections

import manage
from bazaar.clock import monotonic_s
from bazaar.settings import env

_READ_BYTES = 1 << 16


def run_manage(*words: str, environ: Mapping[str, str], timeout_s: float) -> CompletedProcess[str]:
    """
    Run `manage.py` with these words and this environment to its end, without standard input.

    Raises TimeoutExpired: it was killed.
    """
    source, target = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        _end(target, lambda: _perform(words, environ))
    os.close(target)
    try:
        status, out, err = msgspec.json.decode(_read(source, timeout_s), type=tuple[int, str, str])
    except TimeoutError as error:
        os.kill(pid, signal.SIGKILL)
        raise TimeoutExpired(list(words), timeout_s) from error
    finally:
        os.close(source)
        os.waitpid(pid, 0)
    return CompletedProcess(list(words), status, out, err)


def _perform(words: tuple[str, ...], environ: Mapping[str, str]) -> int:
    """Do in the copy what `python manage.py` does; return the exit status."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(env.ROOT)
    connections.close_all = lambda: None  # type: ignore[method-assign]  # they are the test's
    sys.argv = [str(env.ROOT / "manage.py"), *words]
    try:
        return manage.main()
    except SystemExit as end:
        return int(end.code or 0)


def _end(target: int, perform: Callable[[], int]) -> None:
    """Perform, write status and output, and end without a word to anything of the test's."""
    try:
        out, err, status = io.StringIO(), io.StringIO(), 1
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = perform()
            except BaseException:  # noqa: BLE001 - it is a process's last words
                traceback.print_exc()
        with open(target, "wb") as pipe:
            pipe.write(msgspec.json.encode((status, out.getvalue(), err.getvalue())))
    finally:
        os._exit(0)


def _read(source: int, timeout_s: float) -> bytes:
    """Return all that comes. Raises TimeoutError."""
    parts, until_s = list[bytes](), monotonic_s() + timeout_s
    while True:
        if not select.select([source], [], [], max(0.0, until_s - monotonic_s()))[0]:
            raise TimeoutError
        part = os.read(source, _READ_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)

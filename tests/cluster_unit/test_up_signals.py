"""What `make up` runs ends by a signal to any part, on a terminal or in a script's background."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bazaar.clock import wait_until
from bazaar.settings import env
from tests.support.make import environment_without_make

TIMEOUT_S = 20.0
INT, TERM = signal.SIGINT, signal.SIGTERM
# The part of `cluster up` that waits for its end, without a cluster.
SCRIPT = """
import io
from pathlib import Path
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import Interrupted
from bazaar.cluster.init import InitOptions
from bazaar.cluster.up import ClusterRun, catch_end_signals
with catch_end_signals() as is_ending:
    options = InitOptions(DataDir(Path("/nowhere")))
    run = ClusterRun(options, {}, io.StringIO(), is_ending)
    print("begun", flush=True)
    try:
        while True:
            run.pause(0.05)
    except Interrupted:
        print("ended", flush=True)
"""


@contextmanager
def running(folder: Path, shell: str) -> Iterator["subprocess.Popen[str]"]:
    (folder / "script.py").write_text(SCRIPT)
    (folder / "Makefile").write_text(f"up:\n\t@exec {sys.executable} script.py\n")
    with subprocess.Popen(
        ["bash", "-c", shell],
        cwd=folder,
        env={**environment_without_make(), "PYTHONPATH": str(env.ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def find(process: "subprocess.Popen[str]", word: str) -> int:
    """Return the pid of the process below a shell, or itself, that has a word in its command."""
    shell = psutil.Process(process.pid)
    for one in (shell, *shell.children(recursive=True)):
        if word in one.cmdline():
            return one.pid
    raise AssertionError(f"no process has {word}")


@pytest.mark.parametrize("shell", ["exec make up", "make up & wait"])
@pytest.mark.parametrize(
    ("target", "number"), [("make", TERM), ("script.py", INT), ("script.py", TERM), ("group", INT)]
)
def test_a_signal_ends_it(tmp_path: Path, shell: str, target: str, number: signal.Signals) -> None:
    with running(tmp_path, shell) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if target == "group":
            os.killpg(process.pid, number)
        else:
            os.kill(find(process, target), number)
        assert process.stdout.readline() == "ended\n"
        assert wait_until(lambda: process.poll() is not None, TIMEOUT_S)


def test_an_interrupt_of_make_alone_ends_it(tmp_path: Path) -> None:
    with running(tmp_path, "exec make up") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, INT)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(TIMEOUT_S) in (-INT, 2)


def test_the_command_hears_an_interrupt_from_its_first_moment() -> None:
    """A shell's background job starts with this signal ignored."""
    asked = (
        "import signal, sys; sys.argv = ['manage.py', 'cluster', 'up', '--server', 'none'];"
        "sys.path.insert(0, '.'); import manage; manage._run = lambda: 0; manage.main();"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    done = subprocess.run(
        ["sh", "-c", f"trap '' INT; exec {sys.executable} -c \"{asked}\""],
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert done.stdout == "True\n"

"""A tied process ends with its parent, however the parent ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bazaar.clock import wait_until
from bazaar.cluster.parent_death import PARENT_VARIABLE, is_interrupted_make
from tests.support.make import environment_without_make

TIMEOUT_S = 10.0
# A parent that starts a tied child, says its pid and then waits for ever.
PARENT = f"""
import os, signal, subprocess, sys
tied = [sys.executable, "-m", "bazaar.cluster.parent_death", str(os.getpid())]
child = subprocess.Popen([*tied, sys.executable, "-c", '''
import os, signal
print(os.environ["{PARENT_VARIABLE}"], flush=True)
signal.pause()
'''])
signal.pause()
"""


def test_a_tied_program_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.ppid() == parent.pid, "the program replaced the tie: one pid"
        parent.kill()
        assert wait_until(lambda: not child.is_running(), TIMEOUT_S)


def test_a_child_whose_parent_is_gone_already_is_not_tied() -> None:
    command = [sys.executable, "-m", "bazaar.cluster.parent_death", "1", "echo", "must not run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The parent process 1 has ended.\n"


def test_an_unknown_program_is_one_sentence() -> None:
    command = [
        sys.executable,
        "-m",
        "bazaar.cluster.parent_death",
        str(os.getpid()),
        "/no/such/program",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [None, signal.SIGINT])
def test_a_make_that_was_interrupted_is_noticed(
    tmp_path: Path, number: signal.Signals | None
) -> None:
    """It passes SIGINT on to nobody and waits for what it runs."""
    (tmp_path / "Makefile").write_text("up:\n\t@echo begun; exec sleep 600\n")
    with subprocess.Popen(
        ["make", "up"], cwd=tmp_path, env=environment_without_make(), stdout=subprocess.PIPE
    ) as make:
        try:
            assert make.stdout is not None
            assert make.stdout.readline() == b"begun\n"
            # While it starts a child it blocks signals, too.
            assert wait_until(lambda: not is_interrupted_make(make.pid), TIMEOUT_S)
            assert not is_interrupted_make(os.getpid())
            if number:
                make.send_signal(number)
                assert wait_until(lambda: is_interrupted_make(make.pid), TIMEOUT_S)
        finally:
            for child in psutil.Process(make.pid).children():
                child.kill()
            make.kill()
    assert not is_interrupted_make(make.pid), "it has ended"

"""A command in a copy of the test's process says what it says in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bazaar.settings import env
from tests.support.forked import run_manage

TIMEOUT_S = 60.0


@pytest.mark.parametrize(
    "words",
    [("cluster", "status"), ("cluster", "kill", "1"), ("cluster", "dance"), ("version",)],
    ids=" ".join,
)
def test_it_is_the_same_as_in_a_process(words: tuple[str, ...], tmp_path: Path) -> None:
    environ = {name: text for name, text in os.environ.items() if "DJANGO" not in name}
    environ["BAZAAR_DATA_DIR"] = str(tmp_path / "data")
    command = [sys.executable, str(env.ROOT / "manage.py"), *words]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    before = dict(os.environ)
    forked = run_manage(*words, environ=environ, timeout_s=TIMEOUT_S)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        done.returncode,
        done.stdout,
        done.stderr,
    )
    assert dict(os.environ) == before


def test_one_that_hangs_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cluster.toml")  # nobody writes to it
    environ = {**os.environ, "BAZAAR_CLUSTER": str(tmp_path / "cluster.toml")}
    with pytest.raises(subprocess.TimeoutExpired):
        run_manage("cluster", "init", "--data", str(tmp_path), environ=environ, timeout_s=0.5)

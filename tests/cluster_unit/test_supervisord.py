"""The logs that the supervisor writes: none of them can end it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor import loggers

from bazaar.cluster.supervisord import ErrorOutput, ProcessLog
from bazaar.settings import env
from tests.support.disks import SmallDisk

SIZE = 64 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", SIZE) as made:
        yield made


@contextlib.contextmanager
def open_log(path: Path, bytes_max: int = 10**6) -> Iterator[loggers.Logger]:
    log = loggers.getLogger(loggers.LevelsByName.INFO)
    handler = ProcessLog(str(path), "a", bytes_max, 2)
    handler.setFormat("%(message)s")
    log.addHandler(handler)
    yield log
    log.close()


def test_lines_that_a_full_disk_does_not_take_are_counted(disk: SmallDisk) -> None:
    path = disk.path / "a.log"
    with open_log(path) as log:
        log.info(b"first\n")
        disk.fill()
        for _ in range(3):
            log.info(b"x" * 4096 + b"\n")
        disk.clear()
        log.info(b"last\n")
    text = path.read_bytes()
    assert text.startswith(b"first\nx"), "as much as there was room for"
    assert text.endswith(b"\n3 lines are lost: the disk failed\nlast\n")


def test_a_log_whose_folder_is_away_goes_on_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    with open_log(path) as log:
        log.info(b"lost\n")
        path.parent.mkdir()
        log.info(b"kept\n")
    assert path.read_bytes() == b"\n1 lines are lost: the disk failed\nkept\n"


def test_a_loss_is_json_where_lines_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAZAAR_LOG", "json")
    path = tmp_path / "logs" / "order-2.log"
    with open_log(path) as log:
        log.info(b"lost\n")
        path.parent.mkdir()
        log.info(b'{"event": "kept"}\n')
    loss, kept = map(json.loads, path.read_text().split("\n", 1)[1].splitlines())
    assert (loss["event"], loss["role"]) == ("1 lines are lost: the disk failed", "order")
    assert kept == {"event": "kept"}


def test_a_log_is_rotated_and_two_backups_are_kept(tmp_path: Path) -> None:
    with open_log(tmp_path / "a.log", bytes_max=10) as log:
        for number in range(5):
            log.info(b"0123456789 %d\n" % number)
    kept = {path.name: path.read_bytes()[-2:-1] for path in tmp_path.iterdir()}
    assert kept == {"a.log": b"4", "a.log.1": b"3", "a.log.2": b"2"}


def test_supervisords_own_lines_are_text(tmp_path: Path) -> None:
    with open_log(tmp_path / "a.log") as log:
        log.info("spawned: %(name)s\n", name="catalog")
    assert (tmp_path / "a.log").read_text() == "spawned: catalog\n"


def test_an_error_output_that_takes_nothing_raises_nothing() -> None:
    code = (
        "import sys; from bazaar.cluster.supervisord import ErrorOutput;"
        "sys.stderr = ErrorOutput(); print('lost', file=sys.stderr, flush=True); print('alive')"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stderr=full,
            stdout=subprocess.PIPE,
            cwd=env.ROOT,
            check=False,
            timeout=20,
        )
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_an_error_output_is_written_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert ErrorOutput().write("wrong") == len("wrong")
    assert capfd.readouterr().err == "wrong"

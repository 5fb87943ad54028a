"""`manage.py cluster` refuses a wrong argument in one sentence, exit status 2."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bazaar.settings import env


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BAZAAR_CLUSTER", raising=False)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("up", "--replicas", "0"), "--replicas must be a whole number from 1 to 99, not '0'."),
        (("up", "--replicas", "100"), "--replicas must be"),
        (("up", "--replicas", "three"), "--replicas must be"),
        (("up", "--stocks", "dax"), "--stocks must be asterix or sp500, not 'dax'."),
        (("up", "--server", "apache"), "--server must be granian or gunicorn, not 'apache'."),
        (("init", "--replicas", "-1"), "--replicas must be"),
        (("status",), "There is no cluster in"),
        (("kill", "3"), "There is no cluster in"),
        (("start", "order-3"), "There is no cluster in"),
        (("rebuild", "3"), "There is no cluster in"),
        (("logs", "catalog"), "There is no cluster in"),
        (("restart", "--all"), "There is no cluster in"),
    ],
)
def test_a_wrong_argument_is_one_sentence(
    data: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    verb, *rest = arguments
    with pytest.raises(CommandError) as caught:
        call_command("cluster", verb, "--data", str(data), *rest)
    assert caught.value.returncode == 2
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not data.exists(), "nothing was made"


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(CommandError, match="BAZAAR_DATA_DIR: /dev/null/x is not writable"):
        call_command("cluster", "up", "--data", "/dev/null/x")


def test_down_is_harmless_when_nothing_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("cluster", "down", "--data", str(data))
    assert capsys.readouterr().out == "nothing is running\n"
    call_command("cluster", "down", "--data", str(data), "--quiet")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "line", ["--version", "version", "cluster --version", "cluster up --version", "audit --version"]
)
def test_the_version_is_the_bazaars(line: str) -> None:
    project = tomllib.loads((env.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    done = subprocess.run(
        [sys.executable, str(env.ROOT / "manage.py"), *line.split()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"bazaar {project['version']}\n"


def test_a_set_of_stocks_for_a_catalog_that_lists_another_is_said(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call_command("cluster", "init", "--data", str(data), "--stocks", "asterix")
    assert "10 stocks listed from asterix" in capfd.readouterr().out
    for arguments in ((), ("--stocks", "asterix")):
        call_command("cluster", "init", "--data", str(data), *arguments)
        assert "--stocks" not in capfd.readouterr().out
    call_command("cluster", "init", "--data", str(data), "--stocks", "sp500")
    assert (
        "catalog: --stocks sp500 is for an empty one; this one keeps its 10 stocks.\n"
        in capfd.readouterr().out
    )

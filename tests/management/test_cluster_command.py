"""`manage.py cluster` refuses a wrong argument in one sentence, exit status 2."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BAZAAR_CLUSTER", raising=False)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("up", "--replicas", "0"), "--replicas must be a number from 1 to 99, not '0'."),
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

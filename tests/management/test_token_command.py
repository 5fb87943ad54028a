"""`manage.py token`: a token is shown once, and only its hash is kept (docs/adr/0038)."""

import json
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bazaar import clock
from bazaar.cluster.tokens import TokenList
from bazaar.core.access import AccessList, Scope, hash_token
from bazaar.core.failures import TokenRefused
from bazaar.runtime import token_file
from bazaar.settings import env
from tests.support.waits import WAIT_S, in_thread

Output = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BAZAAR_TOKENS_FILE", "BAZAAR_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data"


def run(data: Path, *words: str) -> None:
    call_command("token", words[0], "--data", str(data), *words[1:])


def create(data: Path, capsys: Output, *words: str) -> str:
    """Make a token and return it."""
    run(data, "create", *words)
    return capsys.readouterr().out.strip()


def listed(data: Path, capsys: Output) -> list[dict[str, str]]:
    """Return what `list -o json` prints."""
    run(data, "list", "-o", "json")
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return found


def test_a_token_is_shown_once_and_kept_as_a_hash(data: Path, capsys: Output) -> None:
    run(data, "create", "bob")
    shown = capsys.readouterr()
    token = shown.out.strip()
    assert re.fullmatch(r"bazaar_[\w-]{43}", token)
    assert "shown once" in shown.err
    assert token not in shown.err
    path = data / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {one.name for one in data.iterdir()} == {"tokens.json", "tokens.json.lock"}
    assert not any(token in one.read_text() for one in data.iterdir())
    assert token_file.read(path).find(token, clock.wall_s()).sha256 == hash_token(token)
    run(data, "list")
    assert token not in capsys.readouterr().out


def test_tokens_differ(data: Path, capsys: Output) -> None:
    assert create(data, capsys, "a") != create(data, capsys, "b")


def test_the_list_says_what_each_may_do(data: Path, capsys: Output) -> None:
    create(data, capsys, "bob")
    create(data, capsys, "ann", "--scope", "read", "--expires", "30d")
    bob, ann = listed(data, capsys)
    assert (bob["name"], bob["scope"], bob["state"], bob["expires"]) == (
        *("bob", "read,trade", "good", "-"),
    )
    assert (ann["name"], ann["scope"], ann["state"]) == ("ann", "read", "good")
    (stored,) = (one for one in token_file.read(data / "tokens.json").tokens if one.name == "ann")
    assert stored.expires_s == stored.created_s + 30 * 86_400
    run(data, "list")
    table = capsys.readouterr().out
    assert "read,trade" in table
    assert ann["expires"] in table


def test_there_may_be_none(data: Path, capsys: Output) -> None:
    run(data, "list")
    assert capsys.readouterr().out == f"There are no tokens in {data / 'tokens.json'}.\n"
    assert listed(data, capsys) == []
    assert not data.exists(), "looking makes nothing"


def test_a_revoked_token_is_no_good_and_its_name_is_not_used_again(
    data: Path, capsys: Output
) -> None:
    token = create(data, capsys, "bob")
    for _ in range(2):  # again is harmless
        run(data, "revoke", "bob")
        assert capsys.readouterr().out == "bob is revoked\n"
    with pytest.raises(TokenRefused, match="bob was revoked"):
        token_file.read(data / "tokens.json").find(token, clock.wall_s())
    assert [one["state"] for one in listed(data, capsys)[:1]] == ["revoked"]
    with pytest.raises(CommandError, match="no name is used twice"):
        run(data, "create", "bob")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("create", "a b"), "'a b' is no name for a token"),
        (("create", ""), "'' is no name for a token"),
        (("create", "a|b"), "is no name for a token"),
        (("create", "x" * 65), "up to 64 letters"),
        (("create", "bob", "--scope", "admin"), "--scope: 'admin' is no scope"),
        (("create", "bob", "--scope", ""), "--scope: '' is no scope"),
        (("create", "bob", "--expires", "soon"), "--expires must be a time such as 12h, 30d"),
        (("create", "bob", "--expires", "0d"), "--expires must be"),
        (("create", "bob", "--expires", "3651d"), "at most 3650d"),
        (("create", "bob", "--expires", "\N{ARABIC-INDIC DIGIT THREE}d"), "--expires must be"),
        (("revoke", "bob"), "no token named 'bob'; `token list` shows all"),
        (("list", "-o", "xml"), "--output must be table or json"),
        (("delete", "bob"), "invalid choice"),
    ],
)
def test_a_wrong_argument_is_one_sentence(
    data: Path, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as caught:
        run(data, *words)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 2
    assert not data.exists(), "nothing was made"


def test_a_damaged_list_is_never_replaced(data: Path, capsys: Output) -> None:
    create(data, capsys, "bob")
    path = data / "tokens.json"
    path.write_text("{")
    for words in (("create", "ann"), ("revoke", "bob"), ("list",)):
        with pytest.raises(CommandError, match="is damaged"):
            run(data, *words)
    assert path.read_text() == "{"


class SlowTokens(TokenList):
    """Between reading and writing it gives another command the time to read the same."""

    def __init__(self, data: Path) -> None:
        super().__init__({"BAZAAR_DATA_DIR": str(data)})
        self.has_read = threading.Event()
        self.other: SlowTokens | None = None

    def read(self) -> AccessList:
        found = super().read()
        self.has_read.set()
        if self.other is not None:
            self.other.has_read.wait(0.5)
        return found


def test_commands_at_once_lose_nothing(data: Path) -> None:
    """The second one reads what the first one has written."""
    first, second = SlowTokens(data), SlowTokens(data)
    first.other = second
    making = in_thread(lambda: first.create("first", [Scope.TRADE], None))
    assert first.has_read.wait(WAIT_S)
    second.create("second", [Scope.TRADE], None)
    token = making.result(WAIT_S)
    known = token_file.read(data / "tokens.json")
    assert {one.name for one in known.tokens} == {"first", "second"}
    assert known.find(token, clock.wall_s()).scopes == (Scope.TRADE,)


def test_the_command_itself_prints_the_token_and_nothing_else(data: Path) -> None:
    """So that a script can keep it: TOKEN=$(manage.py token create NAME)."""
    command = (sys.executable, str(env.ROOT / "manage.py"), "token", "create", "bot")
    done = subprocess.run(
        [*command, "--data", str(data)], capture_output=True, text=True, timeout=120, check=True
    )
    known = token_file.read(data / "tokens.json")
    assert known.find(done.stdout.removesuffix("\n"), clock.wall_s()).name == "bot"


def test_another_file_may_be_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    path = tmp_path / "elsewhere.json"
    monkeypatch.setenv("BAZAAR_TOKENS_FILE", str(path))
    create(data, capsys, "bob")
    assert token_file.read(path).get("bob")
    assert not data.exists()

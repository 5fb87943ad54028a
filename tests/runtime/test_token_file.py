"""The file of access tokens, as a running front end sees it (docs/adr/0038)."""

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bazaar.core.access import AccessList, AccessToken, Scope, hash_token
from bazaar.core.failures import TokenRefused, TokensUnavailable
from bazaar.runtime import token_file
from bazaar.runtime.token_file import UNSEEN_S, TokenFileError, TokenWatch
from bazaar.settings.private import FILE_MODE

BOB = AccessToken("bob", hash_token("secret of bob"), (Scope.READ, Scope.TRADE), 100)
ANN = AccessToken("ann", hash_token("secret of ann"), (Scope.READ,), 100, 200, 150)
Write = Callable[[str], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def write(path: Path) -> Write:
    """Replace the file, as commands do."""

    def replace_file(text: str) -> None:
        part = path.with_suffix(".part")
        part.write_text(text)
        part.chmod(FILE_MODE)
        part.replace(path)

    return replace_file


def replace_by(path: Path, make: Callable[[Path, int], None]) -> None:
    """Put something else in the place of a file."""
    path.unlink()
    make(path, FILE_MODE)


class Clock:
    """A clock that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_file_is_read_as_it_was_written(path: Path, write: Write) -> None:
    tokens = AccessList.of((BOB, ANN))
    write(token_file.encode(tokens))
    assert token_file.read(path) == tokens
    assert "secret" not in path.read_text()


def test_a_watch_takes_up_what_changes(path: Path, write: Write) -> None:
    watch = TokenWatch(path, is_expected=False)
    watch.look()
    with pytest.raises(TokenRefused):
        watch.tokens.find("secret of bob", 0)
    write(token_file.encode(AccessList.of((BOB,))))
    watch.look()
    assert watch.tokens.find("secret of bob", 0) == BOB
    write(token_file.encode(AccessList.of((replace(BOB, revoked_s=1),))))
    watch.look()
    with pytest.raises(TokenRefused, match="was revoked"):
        watch.tokens.find("secret of bob", 0)


def test_a_file_that_stays_is_not_read_again(path: Path, write: Write) -> None:
    write(token_file.encode(AccessList.of((BOB,))))
    watch = TokenWatch(path, is_expected=True)
    watch.look()
    before = watch.tokens
    watch.look()
    assert watch.tokens is before


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.chmod(0o640), r"open to others \(mode 0640\); chmod 600 it"),
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text('{"format":2,"tokens":[]}'), "is damaged"),
        (lambda path: path.write_bytes(b"[" * 100_000), "is damaged"),
        (lambda path: path.unlink(), "is not there"),
        (lambda path: replace_by(path, os.mkfifo), "is no file"),
        (lambda path: replace_by(path, os.mkdir), "is no file|cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_opens_nothing(
    path: Path,
    write: Write,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
    reason: str,
) -> None:
    """No token is good then, and none is simply unknown: it is not the caller's fault."""
    write(token_file.encode(AccessList.of((BOB,))))
    watch = TokenWatch(path, is_expected=False)
    watch.look()
    spoil(path)
    with caplog.at_level(logging.INFO, "bazaar.tokens"):
        watch.look()
        watch.look()
        with pytest.raises(TokensUnavailable):
            _ = watch.tokens
        assert caplog.text.count("tokens unreadable") == 1
    if path.is_dir():
        path.rmdir()
    write(token_file.encode(AccessList.of((BOB,))))
    watch.look()
    assert watch.tokens.find("secret of bob", 0) == BOB
    assert re.search(reason, caplog.text)


def test_a_file_that_was_named_must_be_there(path: Path) -> None:
    watch = TokenWatch(path, is_expected=True)
    watch.look()
    with pytest.raises(TokensUnavailable):
        _ = watch.tokens


def test_a_disk_that_hangs_ends_every_token(path: Path, write: Write) -> None:
    """What was revoked meanwhile would not be known."""
    clock = Clock()
    write(token_file.encode(AccessList.of((BOB,))))
    watch = TokenWatch(path, is_expected=True, now_s=clock)
    watch.look()
    clock.now_s += UNSEEN_S
    assert watch.tokens.find("secret of bob", 0) == BOB
    clock.now_s += 0.1
    with pytest.raises(TokensUnavailable):
        _ = watch.tokens
    watch.look()
    assert watch.tokens.find("secret of bob", 0) == BOB


def test_before_the_first_look_no_token_is_good(path: Path) -> None:
    with pytest.raises(TokensUnavailable):
        _ = TokenWatch(path, is_expected=False).tokens


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x y"),
        ("sha256", "00"),
        ("scopes", []),
        ("scopes", ["admin"]),
        ("created_s", -1),
        ("more", 1),
    ],
)
def test_what_is_no_token_is_refused_whole(
    path: Path, write: Write, field: str, value: object
) -> None:
    content = json.loads(token_file.encode(AccessList.of((BOB,))))
    content["tokens"][0][field] = value
    write(json.dumps(content))
    with pytest.raises(TokenFileError, match="is damaged"):
        token_file.read(path)


def test_two_tokens_of_one_name_are_refused(path: Path, write: Write) -> None:
    text = token_file.encode(AccessList.of((BOB, replace(ANN, name="bot"))))
    write(text.replace("bot", "bob"))
    with pytest.raises(TokenFileError, match="same name or hash"):
        token_file.read(path)

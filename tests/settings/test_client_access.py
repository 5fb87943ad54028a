"""Settings of access tokens (docs/CONFIGURATION.md)."""

from pathlib import Path

import pytest

from bazaar.settings import client_access
from bazaar.settings.env import SettingsError


def test_the_tokens_are_in_the_data_folder_unless_a_file_is_named(tmp_path: Path) -> None:
    inside = {"BAZAAR_DATA_DIR": str(tmp_path)}
    assert client_access.tokens_path(inside) == tmp_path / "tokens.json"
    named = {**inside, "BAZAAR_TOKENS_FILE": "/etc/bazaar/tokens.json"}
    assert client_access.tokens_path(named) == Path("/etc/bazaar/tokens.json")


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("", None), ("1", True), ("0", False), ("no", False)]
)
def test_whether_anybody_may_trade(text: str | None, *, expected: bool | None) -> None:
    environ = {} if text is None else {"BAZAAR_ANONYMOUS_TRADES": text}
    assert client_access.read_anonymous_trades(environ) is expected


def test_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(SettingsError, match="BAZAAR_ANONYMOUS_TRADES"):
        client_access.read_anonymous_trades({"BAZAAR_ANONYMOUS_TRADES": "perhaps"})


def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("bazaar_of-a-file\n")
    assert client_access.read_token({}) is None
    in_file = {"BAZAAR_TOKEN_FILE": str(path)}
    assert client_access.read_token(in_file) == "bazaar_of-a-file"
    assert client_access.read_token({**in_file, "BAZAAR_TOKEN": "bazaar_x"}) == "bazaar_x"


@pytest.mark.parametrize("text", ["secret token", "secret\ntoken", "", "tökén", "\N{SNOWMAN}"])
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"BAZAAR_TOKEN_FILE: .* has no token in it") as caught:
        client_access.read_token({"BAZAAR_TOKEN_FILE": str(path)})
    assert "secret" not in str(caught.value)
    if text:
        with pytest.raises(SettingsError, match="BAZAAR_TOKEN has no token in it") as caught:
            client_access.read_token({"BAZAAR_TOKEN": text})
        assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"BAZAAR_TOKEN_FILE: .*/gone cannot be read"):
        client_access.read_token({"BAZAAR_TOKEN_FILE": str(tmp_path / "gone")})

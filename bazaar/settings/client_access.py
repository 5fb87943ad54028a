"""Settings of access tokens: their file, trades without one, our own token."""

import re
from collections.abc import Mapping
from pathlib import Path

from bazaar.settings import env
from bazaar.settings.env import SettingsError

ANONYMOUS_TRADES = "BAZAAR_ANONYMOUS_TRADES"
TOKEN_FILE_CHARS_MAX = 4096
_TOKEN = re.compile(r"[0-9A-Za-z._~+/-]{1,512}=*")
"""What can be sent as a token (RFC 6750)."""


def tokens_path(environ: Mapping[str, str]) -> Path:
    """Return the file of tokens: BAZAAR_TOKENS_FILE, or one in the data folder."""
    named = environ.get("BAZAAR_TOKENS_FILE")
    return Path(named or env.read_data_dir(environ) / "tokens.json").absolute()


def read_anonymous_trades(environ: Mapping[str, str]) -> bool | None:
    """
    Return whether anybody may trade without a token. Raises SettingsError.

    None: it is not said, and only a front end that listens on loopback lets them.
    """
    return env.read_flag(environ, ANONYMOUS_TRADES) if environ.get(ANONYMOUS_TRADES) else None


def read_token(environ: Mapping[str, str], given: str | None = None) -> str | None:
    """
    Return the token that our own programs send, if there is one.

    given: of the option `--token`, which outweighs BAZAAR_TOKEN, and that the file which
    BAZAAR_TOKEN_FILE names. Raises SettingsError, which does not repeat it.
    """
    if given is not None:
        return _check(given, "--token")
    if token := environ.get("BAZAAR_TOKEN"):
        return _check(token, "BAZAAR_TOKEN")
    path = environ.get("BAZAAR_TOKEN_FILE")
    if not path:
        return None
    try:
        with Path(path).open(encoding="ascii") as file:
            return _check(file.read(TOKEN_FILE_CHARS_MAX).strip(), f"BAZAAR_TOKEN_FILE: {path}")
    except OSError as error:
        raise SettingsError(
            f"BAZAAR_TOKEN_FILE: {path} cannot be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"BAZAAR_TOKEN_FILE: {path} has no token in it.") from error


def _check(token: str, where: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise SettingsError(f"{where} has no token in it: letters, digits and - . _ ~ + / = only.")
    return token

"""Arguments of commands: read, checked, refused with the option's name (I10)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bazaar.client.client_dialects import CLIENT_DIALECTS, ClientDialect
from bazaar.client.front_end_url import BadUrl, check_url
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import CommandFailed
from bazaar.settings import env

DIGITS_MAX = 20
ACCESS_HELP = (
    "an access token; better in BAZAAR_TOKEN, or in the file that BAZAAR_TOKEN_FILE names: a "
    "command line is in the process list"
)
DENIED_HELP = "Give this command one in BAZAAR_TOKEN or BAZAAR_TOKEN_FILE, or by --token."
"""What to do when a front end wants a token, or another one."""
REACH_HELP = "`manage.py cluster up` starts a cluster, and --url names another front end."
"""What to do when no front end answers."""


def read_whole(option: str, text: str, least: int, most: int) -> int:
    """Return a whole number, least..most. Raises CommandFailed (2)."""
    is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    if not (is_number and least <= int(text) <= most):
        raise CommandFailed(
            f"{option} must be a whole number from {least} to {most}, not {text!r}."
        )
    return int(text)


def read_number(option: str, text: str, least: float, most: float) -> float:
    """Return a number, least..most. Raises CommandFailed (2)."""
    try:
        value = float(text) if text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise CommandFailed(f"{option} must be a number from {least:g} to {most:g}, not {text!r}.")
    return value


def read_choice(option: str, text: str, choices: Iterable[str]) -> str:
    """Return the text when it is one of the choices. Raises CommandFailed (2)."""
    if text not in (choices := tuple(choices)):
        raise CommandFailed(f"{option} must be {' or '.join(choices)}, not {text!r}.")
    return text


def read_dialect(text: str) -> ClientDialect:
    """Return the dialect of this name. Raises CommandFailed (2)."""
    return CLIENT_DIALECTS[read_choice("--dialect", text, CLIENT_DIALECTS)]


def read_environ(environ: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a command, in which --data outweighs BAZAAR_DATA_DIR."""
    folder = options["data"]
    return {**environ, **({"BAZAAR_DATA_DIR": str(Path(folder).absolute())} if folder else {})}


def list_urls(environ: Mapping[str, str], given: Sequence[str] = ()) -> tuple[str, ...]:
    """
    Return the addresses of the front ends: the given or the local cluster's ones.

    That is the cluster of the data folder; without one, what BAZAAR_CLUSTER or the shipped
    description says. Where there is a data folder, the CA of its cluster is trusted, too. Raises
    CommandFailed (2), SettingsError.
    """
    data = DataDir.of(environ)
    is_made = data.topology_path.exists()
    if given:
        try:
            urls = tuple(check_url(url) for url in given)
        except BadUrl as error:
            raise CommandFailed(f"--url: {error}") from error
        if is_made and any(url.startswith("https:") for url in urls):
            env.begin_tls(data.read_topology(), data.root)
        return urls
    found = data.read_topology() if is_made else env.read_topology(environ)
    env.begin_tls(found, data.root)
    return tuple(node.url for node in found.front_ends)

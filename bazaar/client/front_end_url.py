"""The address of a front end, as a user gives it."""

from urllib.parse import urlsplit


class BadUrl(ValueError):  # noqa: N818 - it is a fact about the argument
    """The address of a front end is not usable; the message is one sentence."""


def check_url(url: str) -> str:
    """Return the address of a front end without the slash at its end. Raises BadUrl."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if (
        not is_right
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not url.isprintable()
    ):
        raise BadUrl(f"{url!r} is not the address of a front end, such as http://127.0.0.1:30001.")
    return url.rstrip("/")

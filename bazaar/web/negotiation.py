"""
What a request accepts, and which representation it has already.

RFC 9110, 12.5.1 (`Accept`) and 13.1.2 (`If-None-Match`).
"""

import re
from functools import lru_cache

ACCEPTS_CACHED_MAX = 256
"""Values of `Accept` whose meaning is remembered."""
RANGES_MAX = 64
"""Media ranges of one `Accept` that are looked at."""
ACCEPT_CHARS_MAX = 2000
"""Of an `Accept` that is looked at."""
_PAGE = ("text/html", "text/*")
_JSON = ("application/json", "application/problem+json", "application/*", "*/*")
_WEIGHT = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@lru_cache(ACCEPTS_CACHED_MAX)
def prefers_page(accept: str) -> bool:
    """
    Tell whether a request would rather have a page for a browser than JSON.

    A page is given only to a caller that names text/html, or text/*, with a greater weight than
    JSON has. So a program that names neither gets JSON; nothing is ever not acceptable.
    """
    if "text/" not in accept.lower():
        return False
    weights: dict[str, float] = {}
    for part in accept[:ACCEPT_CHARS_MAX].split(",", RANGES_MAX)[:RANGES_MAX]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weights.setdefault(kind.lower(), _read_weight(parameters))
    page = next((weights[kind] for kind in _PAGE if kind in weights), 0.0)
    json = next((weights[kind] for kind in _JSON if kind in weights), 0.0)
    return page > json


def _read_weight(parameters: list[str]) -> float:
    """Return the weight of a media range, 0 to 1; one that cannot be read counts as 1."""
    for one in parameters:
        if match := _WEIGHT.fullmatch(one):
            return float(match[1])
    return 1.0


def has_tag(if_none_match: str, tag: str) -> bool:
    """
    Tell whether a request has the representation with a strong tag already.

    if_none_match: the value of the header, `*` or a list of tags; weak ones count, too.
    """
    if if_none_match == tag or if_none_match.strip() == "*":
        return True
    return tag in _TAG.findall(if_none_match)

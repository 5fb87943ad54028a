"""
Where a request comes from: the host it names, and the page that sends it.

A web page can give its own name the address of this machine (DNS rebinding), so a request for a
host that is not ours is refused. A page of another site can send forms, so what changes something
comes from our own pages, or from programs, which name no origin.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

from django.conf import settings

from bazaar.web.decoding import EndpointRefusedError, bad_request
from bazaar.web.endpoint import Environ

HOSTS_KEPT_MAX, HOST_CHARS_MAX = 1000, 300
"""Hosts that are remembered, and the longest that is looked at: a name of 255 bytes and a port."""
_FOREIGN_SITES = ("cross-site", "same-site")
_HOST = re.compile(r"([0-9a-z.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
"""A name or an address, and a port."""
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class HostCheck:
    """The hosts that a listener answers for."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Take the allowed hosts as Django's ALLOWED_HOSTS; ports are not compared."""
        self._allowed = [one.lower() for one in allowed]
        self._known = set[str]()

    def check(self, environ: Environ) -> None:
        """Raise EndpointRefusedError (400) for a missing, malformed or foreign Host."""
        host = environ.get("HTTP_HOST", "")
        if host in self._known:
            return
        if len(host) > HOST_CHARS_MAX or not self._is_allowed(host):
            raise bad_request(
                f"Host: {host[:80]!r} is not a name of this server. "
                "BAZAAR_ALLOWED_HOSTS names further ones, separated by commas."
            )
        if len(self._known) >= HOSTS_KEPT_MAX:
            self._known.clear()
        self._known.add(host)

    def _is_allowed(self, host: str) -> bool:
        """Match as Django does, which is not loaded before the first page (docs/adr/0045)."""
        if not (found := _HOST.fullmatch(host.lower())):
            return False
        name = found[1].removesuffix(".")
        return bool(name) and any(
            allowed in ("*", name) or (allowed[0] == "." and f".{name}".endswith(allowed))
            for allowed in self._allowed
        )


def check_sender(environ: Environ) -> None:
    """Raise EndpointRefusedError (403) for a request of a page of another site."""
    origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", "").lower()
    scheme = _scheme(environ)
    own = {f"{scheme}://{host}", f"{scheme}://{host.removesuffix(_DEFAULT_PORT[scheme])}"}
    is_foreign = origin is not None and origin.lower() not in own
    if is_foreign or environ.get("HTTP_SEC_FETCH_SITE") in _FOREIGN_SITES:
        raise EndpointRefusedError(
            HTTPStatus.FORBIDDEN, "This request was sent by a page of another site."
        )


def _scheme(environ: Environ) -> str:
    """Return how the client reached us; a proxy in front may speak HTTPS (BAZAAR_HTTPS)."""
    header = settings.SECURE_PROXY_SSL_HEADER
    if environ.get("wsgi.url_scheme") == "https":
        return "https"
    return "https" if header and environ.get(header[0]) == header[1] else "http"

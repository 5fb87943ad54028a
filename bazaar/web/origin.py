"""
Where a request comes from: the host it names, and the page that sends it.

A web page can give its own name the address of this machine (DNS rebinding), so a request for a
host that is not ours is refused. A page of another site can send forms, so what changes something
comes from our own pages, or from programs, which name no origin.
"""

from collections.abc import Sequence
from http import HTTPStatus

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from bazaar.web.decoding import EndpointRefusedError, bad_request
from bazaar.web.endpoint import Environ

HOSTS_KEPT_MAX, HOST_CHARS_MAX = 1000, 300
"""Hosts that are remembered, and the longest that is looked at: a name of 255 bytes and a port."""
_FOREIGN_SITES = ("cross-site", "same-site")
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class HostCheck:
    """The hosts that a listener answers for."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Take the allowed hosts as Django's ALLOWED_HOSTS; ports are not compared."""
        self._allowed = allowed
        self._known = set[str]()

    def check(self, environ: Environ) -> None:
        """Raise EndpointRefusedError (400) for a missing, malformed or foreign Host."""
        host = environ.get("HTTP_HOST", "")
        if host in self._known:
            return
        domain, _ = split_domain_port(host) if len(host) <= HOST_CHARS_MAX else ("", "")
        if not domain or not validate_host(domain, self._allowed):
            raise bad_request(
                f"Host: {host[:80]!r} is not a name of this server. "
                "BAZAAR_ALLOWED_HOSTS names further ones, separated by commas."
            )
        if len(self._known) >= HOSTS_KEPT_MAX:
            self._known.clear()
        self._known.add(host)


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
    return "https" if header and environ.get(header[0]) == header[1] else "http"

"""
Member authentication: members of the cluster sign their requests.

Others are counted.
"""

import itertools
import logging
import threading
from http import HTTPStatus

from django.conf import settings

from bazaar import clock
from bazaar.protocol import signing
from bazaar.runtime.metrics import events
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import Environ

log = logging.getLogger("bazaar.auth")


class Refusals:
    """How many callers were refused since this process began."""

    def __init__(self) -> None:
        self._counter = itertools.count(1)
        self._lock = threading.Lock()
        self.count = 0

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self.count = next(self._counter)
        events.emit_refusal(log, "not_a_member")


refusals = Refusals()


def check_member(environ: Environ, body: bytes) -> None:
    """
    Check the signature of a request.

    Raises EndpointRefusedError (definite): 401 without, 403 bad.

    Paths inside the cluster are plain ASCII, so the decoded path is the one that was signed.
    """
    header = environ.get("HTTP_AUTHORIZATION")
    if not header:
        refusals.add()
        raise EndpointRefusedError(
            HTTPStatus.UNAUTHORIZED,
            "Only members of the cluster may call this; sign the request.",
            {"WWW-Authenticate": signing.SCHEME},
        )
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING")
    target = f"{path}?{query}" if query else path
    method, now_s = environ["REQUEST_METHOD"], clock.wall_s()
    fault = signing.fault(settings.BAZAAR_SECRET, header, method, target, body, now_s)
    if fault:
        refusals.add()
        raise EndpointRefusedError(HTTPStatus.FORBIDDEN, fault)

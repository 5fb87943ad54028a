"""
Member authentication: members of the cluster sign their requests.

Others are counted.
"""

import itertools
import threading
from http import HTTPStatus

from django.conf import settings

from bazaar import clock
from bazaar.protocol import identity, signing
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.topology import process_name
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import Environ

log = get_log("bazaar.auth")


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
_holder_names: set[str] = set()


def add_holder_name(name: str) -> None:
    """Also take requests signed for the address of this lease holder."""
    _holder_names.add(name)


def check_head(environ: Environ) -> str:
    """
    Check the signature in the head of a request; return the digest of its body.

    Raises EndpointRefusedError (definite): 401 without, 403 bad, for another process, or of another
    cluster.

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
    try:
        receiver, digest = signing.verify(settings.BAZAAR_SECRET, header, method, target, now_s)
    except signing.SignatureError as error:
        raise _refuse(str(error)) from error
    name = process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)
    if receiver != name and receiver not in _holder_names:
        raise _refuse(f"The request is signed for {receiver[:80]}, but this process is {name}.")
    cluster, ours = environ.get("HTTP_BAZAAR_CLUSTER", ""), identity.cluster()
    if cluster and ours and cluster != ours:
        raise _refuse(
            f"The request is of the cluster {cluster[:36]}, but this process is of {ours}."
        )
    return digest


def check_body(digest: str, body: bytes) -> None:
    """
    Check that a body is the one that was signed.

    digest: what `check_head` returned. Raises EndpointRefusedError (definite): 403.
    """
    if signing.digest_of(body) != digest:
        raise _refuse("The body is not the one that was signed.")


def check_member(environ: Environ, body: bytes) -> None:
    """Check the signature of a whole request; see `check_head` and `check_body`."""
    check_body(check_head(environ), body)


def _refuse(message: str) -> EndpointRefusedError:
    refusals.add()
    return EndpointRefusedError(HTTPStatus.FORBIDDEN, message)

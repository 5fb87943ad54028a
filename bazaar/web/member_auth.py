"""Who may call what: cluster members sign their requests, everybody else is refused and counted."""

import itertools
import logging
import threading

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from bazaar import clock
from bazaar.protocol import signing
from bazaar.runtime.metrics import events

log = logging.getLogger("bazaar.web.member_auth")


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


class Member:
    """A process of this cluster, by its signature."""

    is_authenticated = True


class MemberAuthentication(BaseAuthentication):
    """
    Recognise a cluster member by the signature of its request (401 without, 403 with a bad one).
    """

    def authenticate(self, request: Request) -> tuple[Member, None]:
        """Return the member. Raises NotAuthenticated, PermissionDenied (definite)."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            refusals.add()
            raise NotAuthenticated("Only members of the cluster may call this; sign the request.")
        fault = signing.fault(
            settings.BAZAAR_SECRET,
            header,
            str(request.method),
            _path(request),
            request._request.body,  # noqa: SLF001 - the raw body, before DRF parses it
            clock.wall_s(),
        )
        if fault:
            refusals.add()
            raise PermissionDenied(fault)
        return Member(), None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, for the 401."""
        return signing.SCHEME


class IsMember(BasePermission):
    """Allow cluster members only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the caller signed."""
        return isinstance(request.user, Member)


def _path(request: Request) -> str:
    """
    Return the path and query; every path inside the cluster is plain ASCII, so decoding is moot.
    """
    query = request.META.get("QUERY_STRING", "")
    return f"{request.path}?{query}" if query else request.path

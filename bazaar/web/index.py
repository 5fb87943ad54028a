"""The root of every listener: what it serves, for people who look and for the dashboard's forms."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.protocol.endpoints import IndexBody
from bazaar.web.pages import describe_endpoint
from bazaar.web.rest import Endpoint, MemberEndpoint
from bazaar.web.router import list_paths


class Index(Endpoint):
    """
    What this port serves: every path, what it does, who may call it, and how.

    GET answers `{"endpoints": [{"path", "description", "audience", "methods"}, ...]}`. A method has
    its fields, each with a valid example.
    """

    def get(self, request: Request) -> Response:
        """Return all that is served beside this."""
        return Response(list_endpoints(request))


class MemberIndex(MemberEndpoint):
    """
    What this port serves: every path, what it does, who may call it, and how.

    GET answers `{"endpoints": [{"path", "description", "audience", "methods"}, ...]}`. A method has
    its fields, each with a valid example. The dashboard asks for this and makes forms of it.
    """

    def get(self, request: Request) -> Response:
        """Return all that is served beside this."""
        return Response(list_endpoints(request))


def list_endpoints(request: Request) -> IndexBody:
    """Return what the listener serves that a request came to."""
    views = list_paths(getattr(request, "urlconf", settings.ROOT_URLCONF))
    return IndexBody(
        endpoints=tuple(
            describe_endpoint(view(), path)
            for path, view in views
            if issubclass(view, Endpoint) and not issubclass(view, Index | MemberIndex)
        )
    )

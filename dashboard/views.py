"""The dashboard's pages and their JSON."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import View
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.rest import Endpoint, JsonRenderer
from dashboard import selectors, serializers


class Page(View):
    """One page inside the admin's frame."""

    site: Any = None
    """The admin site, which brings the frame and lets in staff only."""
    title = ""
    template = ""

    def show(self) -> dict[str, Any]:
        """Return what the page shows."""
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        frame = self.site.each_context(request)
        return render(request, self.template, {**frame, "title": self.title, **self.show()})

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer an unknown method, in JSON as everywhere."""
        message = f'Method "{request.method}" not allowed.'
        return JsonResponse(
            {"error": {"code": HTTPStatus.METHOD_NOT_ALLOWED, "message": message}},
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            headers={"Allow": "GET, HEAD, OPTIONS"},
        )


class ClusterPage(Page):
    """GET: leader, term, replicas, processes and caches."""

    title = "Cluster"
    template = "dashboard/cluster.html"

    def show(self) -> dict[str, Any]:
        """Return the snapshot."""
        return serializers.show_snapshot(selectors.get_snapshot())


class StaffEndpoint(Endpoint):
    """A panel as JSON, for who has signed in as staff."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAdminUser]
    renderer_classes = [JsonRenderer]


class ClusterDetail(StaffEndpoint):
    """GET: the cluster as JSON: leader, term, every role, every replica's lag, what is cached."""

    def get(self, request: Request) -> Response:
        return Response(serializers.show_snapshot(selectors.get_snapshot()))


PAGES: tuple[tuple[str, str, type[Page]], ...] = ((r"^$", "index", ClusterPage),)
"""Path, name and view of each page."""

"""The dashboard's page and its JSON."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import View
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.rest import Endpoint
from dashboard import selectors, serializers


class ClusterPage(View):
    """GET: the cluster as a page that renews itself every second."""

    def get(self, request: HttpRequest) -> HttpResponse:
        snapshot = serializers.show_snapshot(selectors.get_snapshot())
        return render(request, "dashboard/cluster.html", snapshot)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer an unknown method, in JSON as everywhere."""
        message = f'Method "{request.method}" not allowed.'
        return JsonResponse(
            {"error": {"code": HTTPStatus.METHOD_NOT_ALLOWED, "message": message}},
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            headers={"Allow": "GET, HEAD, OPTIONS"},
        )


class ClusterDetail(Endpoint):
    """GET: the cluster as JSON: leader, term, every role, every replica's lag, what is cached."""

    def get(self, request: Request) -> Response:
        return Response(serializers.show_snapshot(selectors.get_snapshot()))

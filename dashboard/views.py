"""The dashboard's pages, their JSON, and the forms on them: one call each."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views import View
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.protocol.endpoints import EndpointBody, MethodBody, fields_of
from bazaar.web.view import JsonRenderer, JsonView
from dashboard import acts, panels, selectors, services
from dashboard.pages import PanelRenderer

NEXT = "Bazaar-Next-Ms"
"""In how many milliseconds there is something new for a page to ask for."""


class AdminView(View):
    """A view inside the admin, which lets in staff only."""

    site: Any = None

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer an unknown method, in JSON as everywhere."""
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        message = f'Method "{request.method}" not allowed.'
        return JsonResponse(
            {"error": {"code": HTTPStatus.METHOD_NOT_ALLOWED, "message": message}},
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            headers={"Allow": allowed},
        )


class Page(AdminView):
    """GET: one page in the admin's frame; for htmx only the part of it that changes."""

    panel: panels.Panel = panels.PANELS[0]

    def get(self, request: HttpRequest) -> HttpResponse:
        next_ms = selectors.get_due_ms()
        live = self.panel.render(request.GET)
        if request.headers.get("HX-Request"):
            return HttpResponse(live, headers={NEXT: str(next_ms)})
        shown, frame = self.panel.show(request.GET), self.site.each_context(request)
        parts = {"title": self.panel.title, "live": live, "path": request.get_full_path()}
        return render(request, self.panel.page, {**frame, **shown, **parts, "next_ms": next_ms})


class PanelDetail(JsonView):
    """GET: what a page shows, as JSON; in a browser a page about it."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAdminUser]
    renderer_classes = [JsonRenderer, PanelRenderer]
    panel: panels.Panel = panels.PANELS[0]
    site: Any = None

    def describe(self, path: str) -> EndpointBody:
        """Return what this panel shows."""
        method = MethodBody(method="GET", changes=False, fields=fields_of(self.panel.asks, "query"))
        return EndpointBody(
            path=path,
            description=self.panel.about_json,
            audience="Staff who signed in to the dashboard.",
            methods=(method,),
        )

    def way_in(self, path: str) -> str:
        """Return the sign-in that leads back."""
        return f"{reverse('admin:login')}?{urlencode({'next': path})}"

    def get(self, request: Request) -> Response:
        return Response(self.panel.show(request.query_params))


class Doing(AdminView):
    """POST: change something, note who did, and go back to the page with what came of it."""

    act: type[acts.Act] = acts.Act
    back = "/"

    def post(self, request: HttpRequest) -> HttpResponse:
        username = request.user.get_username()
        is_done, text = services.act(act=self.act(request.POST), username=username)
        messages.add_message(request, messages.SUCCESS if is_done else messages.ERROR, text)
        return HttpResponseRedirect(self.back)

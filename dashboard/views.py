"""The dashboard's pages, their JSON, and the forms on them: one call each."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views import View
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.protocol.endpoints import EndpointBody, MethodBody, fields_of
from bazaar.web.pages import PageRenderer
from bazaar.web.view import JsonRenderer, JsonView
from dashboard import actions, panels, selectors, serializers, services, wiring
from dashboard.models import PERMISSIONS

NEXT = "Bazaar-Next-Ms"
"""In how many milliseconds there is something new for a page to ask for."""


class AdminView(View):
    """A view inside the admin, for staff with its permission."""

    site: Any = None
    permission = ""
    """One of PERMISSIONS; empty: all staff."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Refuse users without the permission."""
        if self.permission and not request.user.has_perm(f"dashboard.{self.permission}"):
            shown = {"title": "Not permitted", "permission": PERMISSIONS[self.permission]}
            return self.show(request, "refused", shown, HTTPStatus.FORBIDDEN)
        return super().dispatch(request, *args, **kwargs)

    def show(
        self,
        request: HttpRequest,
        name: str,
        shown: Mapping[str, Any],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        """Return a page in the admin's frame."""
        context = {**self.site.each_context(request), **shown}
        return render(request, f"dashboard/{name}.html", context, status=status)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer an unknown method, in JSON as everywhere."""
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        message = f'Method "{request.method}" not allowed.'
        return JsonResponse(
            {"error": {"code": HTTPStatus.METHOD_NOT_ALLOWED, "message": message}},
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            headers={"Allow": allowed},
        )


class PanelPage(AdminView):
    """GET: one page in the admin's frame; for htmx only the part of it that changes."""

    panel = panels.PANELS[0]

    def get(self, request: HttpRequest) -> HttpResponse:
        next_ms = round(wiring.collector().due_s() * 1000)
        query = self.panel.select(request.GET)
        parts = {
            "live": self.panel.render(query),
            "rest": self.panel.render_rest(query),
            "health_line": panels.render_health(),
        }
        if request.headers.get("HX-Request"):
            changed = render_to_string("dashboard/live/parts.html", parts)
            return HttpResponse(changed, headers={NEXT: str(next_ms)})
        shown = {"title": self.panel.title, "path": request.get_full_path(), "next_ms": next_ms}
        return self.show(request, self.panel.name, {**self.panel.show(query), **shown, **parts})


class PanelRenderer(PageRenderer):
    """Render a panel's JSON as a page in the admin's frame; refusals without it."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the page."""
        response = (renderer_context or {})["response"]  # DRF gives one to every renderer
        is_refused = response.status_code == HTTPStatus.FORBIDDEN
        self.template = "bazaar/page.html" if is_refused else "dashboard/endpoint.html"
        return str(super().render(data, accepted_media_type, renderer_context))

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what page and frame show."""
        shown = super().get_context(data, accepted_media_type, renderer_context)
        if "way_in" in shown:
            return shown
        return {**renderer_context["view"].site.each_context(renderer_context["request"]), **shown}


class ReadingSession(SessionAuthentication):
    """The session of a user who only reads, so no token of a form is asked for."""

    def enforce_csrf(self, request: Request) -> None:
        """Accept the session alone; a body is never read."""


class PanelDetail(JsonView):
    """GET: what a page shows, as JSON; in a browser a page about it."""

    authentication_classes = [ReadingSession]
    permission_classes = [IsAdminUser]
    renderer_classes = [JsonRenderer, PanelRenderer]
    panel = panels.PANELS[0]
    site: Any = None

    def describe(self, path: str) -> EndpointBody:
        """Return what this panel shows."""
        method = MethodBody(
            method="GET", changes=False, fields=fields_of(self.panel.example, "query")
        )
        return EndpointBody(
            path=path,
            description=self.panel.about_json,
            audience="Staff who signed in to the dashboard.",
            methods=(method,),
        )

    def way_in(self, path: str) -> str:
        """Return the sign-in page that leads back."""
        return f"{reverse('admin:login')}?{urlencode({'next': path})}"

    def get(self, request: Request) -> Response:
        return Response(self.panel.show(self.panel.select(request.query_params)))


class ActionView(AdminView):
    """POST: carry an action out and go back to its page, which shows the result."""

    action: type[actions.ActionForm] = actions.ActionForm

    def post(self, request: HttpRequest) -> HttpResponse:
        action, username = self.action(request.POST), request.user.get_username()
        is_done, text = services.carry_out(action=action, username=username)
        messages.add_message(request, messages.SUCCESS if is_done else messages.ERROR, text)
        return HttpResponseRedirect(action.find_way_back())


class StockNames(AdminView):
    """GET: names of stocks that complete a text, as the options of a field."""

    def get(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("stock_name") or request.GET.get("q", "")
        names = selectors.suggest_names(text=text)
        return HttpResponse(render_to_string("dashboard/live/names.html", {"names": names}))


class ApiList(AdminView):
    """GET: every process of the cluster, and what each of its ports serves."""

    permission = "browse_api"

    def get(self, request: HttpRequest) -> HttpResponse:
        indexes = wiring.api_relay().list_indexes()
        shown = {"title": "API", "indexes": indexes, "panels": panels.PANELS}
        return self.show(request, "api", shown)


class ApiEndpoint(AdminView):
    """GET: an endpoint of another process, with its answer where it is readable."""

    permission = "browse_api"

    def get(self, request: HttpRequest, process: str, port_name: str, word: str) -> HttpResponse:
        relay, texts = wiring.api_relay(), request.GET.dict()
        listener = relay.find_listener(process, port_name)
        reading = relay.read_endpoint(listener, f"/{word}", texts) if listener else None
        if reading is None:
            raise Http404
        shown = {
            **serializers.show_reading(reading, texts),
            "title": f"{process} /{word}",
            "listener": listener,
            "action": request.path,
        }
        return self.show(request, "endpoint", shown, reading.status)

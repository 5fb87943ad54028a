"""The browsable API at the dashboard: every endpoint of every process, for staff (ADR 20)."""

from dataclasses import dataclass
from itertools import groupby

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard import wiring
from dashboard.panels import PANELS
from dashboard.relay import Told
from dashboard.views import AdminView
from dashboard.visits import Visitor, visit


@dataclass(frozen=True, slots=True)
class Process:
    """One process as the list shows it."""

    name: str
    listeners: tuple[Told, ...]
    is_open: bool
    """Whether its endpoints are seen at once: the first process of a role, and who is silent."""


class ApiList(AdminView):
    """GET: every process of the cluster, and what each of its ports serves."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask all of them, and show it."""
        shown = {"title": "API", "processes": _list_processes(), "panels": PANELS}
        return render(request, "dashboard/api.html", {**self.site.each_context(request), **shown})


class ApiEndpoint(AdminView):
    """GET: an endpoint, and its answer where that changes nothing. POST: one that changes."""

    def get(self, request: HttpRequest, process: str, listener: str, word: str) -> HttpResponse:
        """Show it, with the answer to what is in the query."""
        visitor = Visitor(_name(request), is_post=False, method="GET", texts=request.GET.dict())
        return self._show(request, (process, listener, word), visitor)

    def post(self, request: HttpRequest, process: str, listener: str, word: str) -> HttpResponse:
        """Send what was entered; the answer is the page."""
        texts = request.POST.dict()
        method = texts.get("_method", "")
        visitor = Visitor(_name(request), is_post=True, method=method, texts=texts)
        return self._show(request, (process, listener, word), visitor)

    def _show(
        self, request: HttpRequest, names: tuple[str, str, str], visitor: Visitor
    ) -> HttpResponse:
        process, listener, word = names
        place = wiring.courier().place(process, listener)
        if place is None:
            raise Http404
        made = visit(place, f"/{word}", visitor)
        shown = {
            "title": f"{process} /{word}",
            "place": place,
            "endpoint": made.endpoint,
            "answer": made.answer,
            "fault": made.fault,
            "forms": made.forms(visitor),
            "action": request.path,
            "is_relayed": True,
        }
        frame = self.site.each_context(request)
        return render(request, "dashboard/endpoint.html", {**frame, **shown}, status=made.status)


def _name(request: HttpRequest) -> str:
    return str(request.user.get_username())


def _list_processes() -> list[Process]:
    roles = set[str]()
    made = []
    for name, told in groupby(wiring.courier().list_all(), lambda one: one.place.process):
        listeners, role = tuple(told), name.partition("-")[0]
        is_silent = not any(one.index for one in listeners)
        made.append(Process(name, listeners, role not in roles or is_silent))
        roles.add(role)
    return made

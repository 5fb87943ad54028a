"""A visit to an endpoint of another process: what it is, and what it answered to who asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from django.http import Http404

from bazaar.core.failures import Failure
from bazaar.protocol.endpoints import EndpointBody, MethodBody, fill
from bazaar.protocol.http1 import Reply
from bazaar.web.pages import Answer, Form, cut, make_forms
from dashboard import services, wiring
from dashboard.relay import CHANGE_TIMEOUT_S, LOOK_TIMEOUT_S, Place, TooLong, target_of

_TOLD_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, for what, and how: nothing is changed by a GET."""

    username: str
    is_post: bool
    method: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of it."""

    endpoint: EndpointBody | None = None
    answer: Answer | None = None
    fault: str = ""
    status: int = HTTPStatus.OK

    def forms(self, visitor: Visitor) -> list[Form]:
        """Return a form for each method, with what the visitor entered."""
        if self.endpoint is None:
            return []
        is_over = self.answer is not None and self.answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return make_forms(self.endpoint, visitor.texts, asked=visitor.method, is_over=is_over)


def visit(place: Place, path: str, visitor: Visitor) -> Visit:
    """
    Ask a listener for one of the endpoints that it lists, if that is what the visitor wants.

    Raises Http404: it lists no such path.
    """
    try:
        endpoint = wiring.courier().index(place).endpoint(path)
    except Failure as failure:
        return Visit(fault=failure.message, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if endpoint is None:
        raise Http404(f"{place.process} has no {path} at its {place.listener} port.")
    method = endpoint.method(visitor.method)
    if visitor.is_post and (method is None or not method.changes):
        fault = "This endpoint has no such form."
        return Visit(endpoint, fault=fault, status=HTTPStatus.BAD_REQUEST)
    if method is None or not _is_due(method, visitor):
        return Visit(endpoint)
    return _ask(place, endpoint, method, visitor)


def _is_due(method: MethodBody, visitor: Visitor) -> bool:
    """Tell whether to ask now: what changes something needs a POST, a question its fields."""
    if method.changes:
        return visitor.is_post
    return not method.fields or any(one.name in visitor.texts for one in method.fields)


def _ask(place: Place, endpoint: EndpointBody, method: MethodBody, visitor: Visitor) -> Visit:
    """Send it, and write down who did if it changes something."""
    filled = fill(method, visitor.texts)
    asked = f"{method.method} {target_of(endpoint.path, filled)}"
    timeout_s = CHANGE_TIMEOUT_S if method.changes else LOOK_TIMEOUT_S
    told = "It broke; the log of the dashboard has the details."
    try:
        reply = wiring.courier().send(
            place, method.method, endpoint.path, filled, timeout_s=timeout_s
        )
        answer = _show(asked, reply)
        told = f"{answer.status} {answer.phrase}: {answer.text[:_TOLD_CHARS_MAX]}"
        return Visit(endpoint, answer)
    except TooLong as error:
        told = str(error)
        return Visit(endpoint, fault=told, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except Failure as failure:
        told = f"{failure.message}. It may have happened." if method.changes else failure.message
        return Visit(endpoint, fault=told, status=HTTPStatus.SERVICE_UNAVAILABLE)
    finally:
        if method.changes:
            target = f"{place.process} {place.listener} {asked}"
            services.record(
                username=visitor.username,
                action="api",
                target=target,
                result=" ".join(told.split()),
            )


def _show(asked: str, reply: Reply) -> Answer:
    try:
        text = msgspec.json.format(reply.body, indent=4).decode("utf-8", "replace")
    except msgspec.MsgspecError:
        text = reply.body.decode("utf-8", "replace")
    return Answer(asked, reply.status, tuple(sorted(reply.headers.items())), cut(text))

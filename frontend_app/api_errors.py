"""
How the description of the public API tells of errors, by status and kind.

What any request may get is described once for each shape.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from bazaar.protocol.errors import KINDS
from bazaar.web.endpoint import JSON, KEY_HEADER, Endpoint, EndpointMethod
from bazaar.web.problems import PROBLEM_JSON, REFUSED_KINDS, read_pages
from frontend_app.api_operations import EVERYWHERE, OPERATIONS, ApiOperation, ErrorShape
from frontend_app.api_parts import REQUEST_ID_HEADER

Document = dict[str, Any]
_STATUSES = {kind.name: kind.status for kind in KINDS}
_STATUSES |= {name: status.value for status, name in REFUSED_KINDS.items()}
_DEFINITE = {kind.name: kind.failure().is_definite for kind in KINDS if kind.name in read_pages()}
_MESSAGES = {kind.name: kind.failure().message for kind in KINDS if kind.name in read_pages()}
REF = "#/components/schemas/{name}"


def refer(name: str) -> Document:
    """Return a reference to a schema."""
    return {"$ref": REF.format(name=name)}


def refer_to_headers(names: Iterable[str]) -> Document:
    """Return references to headers of answers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def describe_errors(
    action: EndpointMethod, operation: ApiOperation, kinds: Iterable[str]
) -> Document:
    """
    Return the answers to errors of these kinds, by their status.

    Those that any request may get are components.
    """
    errors: Document = {}
    for status, names in _by_status(action, kinds).items():
        is_shared = EVERYWHERE.issuperset(names) and not _has_key(operation)
        name = f"{operation.errors}_{status}"
        errors[str(status)] = (
            {"$ref": f"#/components/responses/{name}"}
            if is_shared
            else _error(status, names, operation)
        )
    return errors


def describe_shared_errors(endpoints: Iterable[Endpoint]) -> Document:
    """Return the answers to the errors that any request may get, in each shape."""
    found: Document = {}
    for action, operation in list_operations(endpoints):
        if not _has_key(operation):
            for status, names in _by_status(action, EVERYWHERE).items():
                found[f"{operation.errors}_{status}"] = _error(status, names, operation)
    return dict(sorted(found.items()))


def _by_status(action: EndpointMethod, kinds: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for kind in sorted(kinds):
        status = action.error_statuses.get(kind, _STATUSES[kind])
        found.setdefault(status, []).append(kind)
    return dict(sorted(found.items()))


def list_operations(
    endpoints: Iterable[Endpoint],
) -> Iterator[tuple[EndpointMethod, ApiOperation]]:
    """Yield each method of the endpoints with its operation."""
    for endpoint in endpoints:
        for action in endpoint.actions:
            yield action, OPERATIONS[action.method, endpoint.path]


def _has_key(operation: ApiOperation) -> bool:
    return KEY_HEADER in operation.request_headers


def _error(status: int, kinds: list[str], operation: ApiOperation) -> Document:
    pages = read_pages()
    lines = [f"- [`{kind}`]({pages[kind].type}): {pages[kind].title}" for kind in kinds]
    names = ["Bazaar-Definite", "Bazaar-Failure", REQUEST_ID_HEADER]
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        names.append("Retry-After")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        names += ["RateLimit", "RateLimit-Policy"]
    if "token_refused" in kinds or "access_denied" in kinds:
        names.append("WWW-Authenticate")
    if _has_key(operation):
        names.append(KEY_HEADER)
    return {
        "description": "\n".join(lines),
        "headers": refer_to_headers(names),
        "content": _error_content(status, kinds, operation),
    }


def _error_content(status: int, kinds: list[str], operation: ApiOperation) -> Document:
    shape = operation.errors
    names = ("ErrorAnswer",) if shape is ErrorShape.OBJECT else ("FailedTrade", "ErrorAnswer")
    if shape is not ErrorShape.PROBLEM:
        refs = [refer(name) for name in names]
        schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
        return {JSON: {"schema": schema, "examples": _refer_to_examples(shape, kinds)}}
    schema = refer("Problem")
    content = {PROBLEM_JSON: {"schema": schema, "examples": _refer_to_examples(shape, kinds)}}
    if status in _BEFORE_THE_PATH:
        content[JSON] = {"schema": refer("ErrorAnswer")}
    return content


def _refer_to_examples(shape: ErrorShape, kinds: Iterable[str]) -> Document:
    return {kind: {"$ref": f"#/components/examples/{shape}_{kind}"} for kind in kinds}


def show_errors(endpoints: Iterable[Endpoint]) -> Document:
    """Return an example of each error in each shape that it may have."""
    found: Document = {}
    for action, operation in list_operations(endpoints):
        for kind in EVERYWHERE | operation.kinds:
            status = action.error_statuses.get(kind, _STATUSES[kind])
            value = _MAKERS[operation.errors](status, kind)
            found[f"{operation.errors}_{kind}"] = {"value": value}
    return dict(sorted(found.items()))


_BEFORE_THE_PATH = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
"""Statuses of what is no HTTP, and is refused before the path is looked at."""


def _message(kind: str) -> str:
    return _MESSAGES.get(kind, read_pages()[kind].title)


def _error_answer(status: int, kind: str) -> Document:
    return {"error": {"code": status, "message": _message(kind)}}


def _failed_trade(status: int, kind: str) -> Document:
    return {"order_no": -1, "message": _message(kind)}


def _problem(status: int, kind: str) -> Document:
    page = read_pages()[kind]
    is_definite = _DEFINITE.get(kind, status < HTTPStatus.INTERNAL_SERVER_ERROR)
    told = {"type": page.type, "title": page.title, "status": status, "detail": _message(kind)}
    return {**told, "definite": is_definite}


_MAKERS = {
    ErrorShape.OBJECT: _error_answer,
    ErrorShape.TRADE: _failed_trade,
    ErrorShape.PROBLEM: _problem,
}

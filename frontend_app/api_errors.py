"""
How the description of the public API tells of errors, by status and kind.

What any request may get is described once for each shape.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec

from bazaar.protocol import errors
from bazaar.web.endpoint import (
    JSON,
    KEY_HEADER,
    DescribedError,
    Endpoint,
    EndpointMethod,
    shape_error,
)
from bazaar.web.errors import MISTAKE
from bazaar.web.problems import PROBLEM_JSON, REFUSED_KINDS, read_pages, shape_problem
from frontend_app.api_operations import EVERYWHERE, OPERATIONS, ApiOperation
from frontend_app.api_parts import REQUEST_ID_HEADER
from frontend_app.dialects import shape_failed_trade

Document = dict[str, Any]
_FAILURES = {kind.name: kind.failure for kind in errors.KINDS}
_REFUSALS = {name: status for status, name in REFUSED_KINDS.items()}
REF = "#/components/schemas/{name}"


class ErrorShape(StrEnum):
    """How the errors of a method look."""

    OBJECT = "object"
    TRADE = "trade"
    """Of a trade at `/orders`: in the dialect of its body."""
    PROBLEM = "problem"


_SHAPES: Mapping[Any, ErrorShape] = {
    shape_error: ErrorShape.OBJECT,
    shape_failed_trade: ErrorShape.TRADE,
    shape_problem: ErrorShape.PROBLEM,
}


def shape_of(action: EndpointMethod) -> ErrorShape:
    """Return how the errors of a method look. Raises KeyError: like none that is described."""
    return _SHAPES[action.shape_failure]


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
    found: Document = {}
    for status, names in _by_status(action, kinds).items():
        is_shared = EVERYWHERE.issuperset(names) and not operation.has_key
        found[str(status)] = (
            {"$ref": f"#/components/responses/{shape_of(action)}_{status}"}
            if is_shared
            else _error(status, names, action, operation)
        )
    return found


def describe_shared_errors(endpoints: Iterable[Endpoint]) -> Document:
    """Return the answers to the errors that any request may get, in each shape."""
    found: Document = {}
    for action, operation in list_operations(endpoints):
        if not operation.has_key:
            for status, names in _by_status(action, EVERYWHERE).items():
                found[f"{shape_of(action)}_{status}"] = _error(status, names, action, operation)
    return dict(sorted(found.items()))


def _by_status(action: EndpointMethod, kinds: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for kind in sorted(kinds):
        found.setdefault(_describe(action, kind).code, []).append(kind)
    return dict(sorted(found.items()))


def _describe(action: EndpointMethod, kind: str) -> DescribedError:
    """Return an error of a kind, with the status that it has here."""
    if kind in _FAILURES:
        failure = _FAILURES[kind]()
        status, headers = errors.status_of(failure), errors.headers_of(failure)
        return action.restate(DescribedError(status, failure.message, headers))
    status = _REFUSALS[kind]
    if status == MISTAKE.code:
        return MISTAKE
    return DescribedError(status, read_pages()[kind].title, {"Bazaar-Definite": "true"})


def list_operations(
    endpoints: Iterable[Endpoint],
) -> Iterator[tuple[EndpointMethod, ApiOperation]]:
    """Yield each method of the endpoints with its operation."""
    for endpoint in endpoints:
        for action in endpoint.actions:
            yield action, OPERATIONS[action.method, endpoint.path]


def _error(
    status: int, kinds: list[str], action: EndpointMethod, operation: ApiOperation
) -> Document:
    pages = read_pages()
    lines = [f"- [`{kind}`]({pages[kind].type}): {pages[kind].title}" for kind in kinds]
    names = ["Bazaar-Definite", "Bazaar-Failure", REQUEST_ID_HEADER]
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        names.append("Retry-After")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        names += ["RateLimit", "RateLimit-Policy"]
    if "token_refused" in kinds or "access_denied" in kinds:
        names.append("WWW-Authenticate")
    if operation.has_key:
        names.append(KEY_HEADER)
    return {
        "description": "\n".join(lines),
        "headers": refer_to_headers(names),
        "content": _error_content(status, kinds, shape_of(action)),
    }


def _error_content(status: int, kinds: list[str], shape: ErrorShape) -> Document:
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
            value = action.shape_failure(_describe(action, kind), {})
            found[f"{shape_of(action)}_{kind}"] = {"value": msgspec.to_builtins(value)}
    return dict(sorted(found.items()))


_BEFORE_THE_PATH = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
"""Statuses of what is no HTTP, and is refused before the path is looked at."""

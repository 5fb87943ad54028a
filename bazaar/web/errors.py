"""Errors to answers: status, sentence and headers, the same at every port (I9)."""

import logging
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from bazaar.core.failures import (
    AccessDenied,
    Busy,
    Corrupt,
    DamagedPage,
    Deposed,
    Diverged,
    Failure,
    NoLeader,
    NotLeader,
    NotReplicated,
    NotServing,
    RateLimited,
    StaleTerm,
    StorageFailed,
    TokenRefused,
    TokenRequired,
    TokensUnavailable,
    TooFewInSync,
    Unreachable,
)
from bazaar.protocol import errors
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.storage import find_failure
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import DescribedError, shape_error
from bazaar.web.problems import PROBLEM_JSON, shape_problem

log = get_log("bazaar.web")

API = "/api/"
"""Where errors are problem documents."""
MISTAKE = DescribedError(
    int(HTTPStatus.INTERNAL_SERVER_ERROR),
    "Something is wrong on our side; the log has the details.",
    {"Bazaar-Definite": "false"},
)
"""A mistake of our own; it may have had an effect."""
_REFUSALS = (
    *(Busy, Corrupt, DamagedPage, Deposed, Diverged, NoLeader, NotLeader, NotReplicated),
    *(NotServing, StaleTerm, TooFewInSync),
    *(AccessDenied, RateLimited, TokenRefused, TokenRequired, TokensUnavailable),
)
"""
Failures that are events: what is refused for the cluster's sake, or to who may not have it.

`emit_refusal` bounds them by kind.
"""
_DJANGO_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (Http404, 404, "There is nothing here."),
    (PermissionDenied, 403, "This is not allowed."),
    (BadRequest, 400, "The request is malformed."),
    (SuspiciousOperation, 400, "The request is malformed."),
)


def describe(error: Exception) -> DescribedError | None:
    """Return an error as it is answered; None for a mistake of our own."""
    if isinstance(error, DatabaseError):
        error = find_failure(error) or error
    if isinstance(error, Failure):
        if isinstance(error, _REFUSALS):
            events.emit_refusal(log, errors.kind_of(error))
        elif isinstance(error, Unreachable) and not isinstance(error, StorageFailed):
            reason = error.message  # that of a disk is noted where it failed
            events.emit_refusal(log, errors.kind_of(error), level=logging.WARNING, reason=reason)
        return DescribedError(errors.status_of(error), error.message, errors.headers_of(error))
    if isinstance(error, EndpointRefusedError):
        headers = {"Bazaar-Definite": "true", **error.headers}
        return DescribedError(error.status.value, error.message, headers)
    if isinstance(error, DatabaseError):
        log.error("database failed", reason=str(error))
        headers = {"Bazaar-Definite": "false", "Retry-After": str(errors.RETRY_AFTER_S)}
        code = int(HTTPStatus.SERVICE_UNAVAILABLE)
        return DescribedError(code, f"The database failed: {error}", headers)
    return None


def answer_failure(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return DRF's answer to an error; None (a 500) for our own mistakes."""
    described = describe(error) or _describe_django(error)
    if described is None:
        return None
    body = shape_error(described, {})
    return Response(body, status=described.code, headers=described.headers)


def _describe_django(error: Exception) -> DescribedError | None:
    """Return an error of Django or DRF as it is answered; None for a mistake of our own."""
    headers = {"Bazaar-Definite": "true"}
    if isinstance(error, APIException):
        return DescribedError(error.status_code, _join(error.detail), headers)
    for kind, code, message in _DJANGO_ERRORS:
        if isinstance(error, kind):
            return DescribedError(code, str(error) or message, headers)
    return None


def _join(detail: Any) -> str:
    """Return DRF's error details as one sentence after another, each with its field."""
    if isinstance(detail, Mapping):
        return " ".join(
            text if field == "non_field_errors" else f"{field}: {text}"
            for field, text in ((field, _join(inner)) for field, inner in detail.items())
        )
    if isinstance(detail, list | tuple):
        return " ".join(_join(inner) for inner in detail)
    return str(detail)


def answer_unknown_path(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a path that no role serves, in JSON (handler404)."""
    message, headers = f"There is no {request.path} here.", {"Bazaar-Definite": "true"}
    error = DescribedError(int(HTTPStatus.NOT_FOUND), message, headers)
    if not request.path.startswith(API):
        return JsonResponse(shape_error(error, {}), status=error.code, headers=headers)
    body = msgspec.to_builtins(shape_problem(error, {}))
    return JsonResponse(body, status=error.code, headers=headers, content_type=PROBLEM_JSON)


def answer_malformed(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that Django does not take, in JSON (handler400)."""
    message = str(exception) or "The request is malformed."
    body = {"error": {"code": HTTPStatus.BAD_REQUEST, "message": message}}
    return JsonResponse(body, status=HTTPStatus.BAD_REQUEST, headers={"Bazaar-Definite": "true"})


def answer_mistake(request: HttpRequest) -> JsonResponse:
    """Answer a page's failing database, or our own mistake, in JSON (handler500)."""
    error = sys.exc_info()[1]  # Django calls this while it handles the error
    shown = (describe(error) if isinstance(error, Exception) else None) or MISTAKE
    return JsonResponse(shape_error(shown, {}), status=shown.code, headers=shown.headers)

"""Errors of pages, which Django and DRF answer; `errors` has those of endpoints."""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from bazaar.web.endpoint import DescribedError, shape_error
from bazaar.web.errors import MISTAKE, describe
from bazaar.web.problems import PROBLEM_JSON, shape_problem

API = "/api/"
"""Where errors are problem documents."""
_DJANGO_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (Http404, 404, "There is nothing here."),
    (PermissionDenied, 403, "This is not allowed."),
    (BadRequest, 400, "The request is malformed."),
    (SuspiciousOperation, 400, "The request is malformed."),
)


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

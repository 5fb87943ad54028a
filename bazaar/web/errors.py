"""Errors to answers: status, sentence and headers, the same at every port (I9)."""

import logging
from http import HTTPStatus

from django.db import DatabaseError

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
from bazaar.web.endpoint import DescribedError

log = get_log("bazaar.web")

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

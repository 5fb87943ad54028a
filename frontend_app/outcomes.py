"""What a short way found and leaves to the view, in the request, so that nothing is done twice."""

from collections.abc import Mapping
from typing import Any

from bazaar.core.failures import Failure
from bazaar.runtime.metrics import BEGAN
from frontend_app.readings import Reading

_OUTCOME = "bazaar.outcome"


def leave(environ: dict[str, Any], outcome: Reading | Failure, began_s: float) -> None:
    """Leave what was found to the view, and since when it was looked for."""
    environ[_OUTCOME], environ[BEGAN] = outcome, began_s


def outcome_of(environ: Mapping[str, Any]) -> Reading | None:
    """Return what a short way has found already; None when it did not look. Raises Failure."""
    outcome: Reading | Failure | None = environ.get(_OUTCOME)
    if isinstance(outcome, Failure):
        raise outcome
    return outcome

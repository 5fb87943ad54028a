"""
The health endpoints of every role: `/healthz` and `/readyz` (docs/adr/0039).

Both are unsigned and answered by the thread that reads, from memory: no probe waits behind the
requests of clients, and none costs more than a cached stock.
"""

from http import HTTPStatus
from typing import Any

from bazaar.protocol.errors import RETRY_AFTER_S
from bazaar.runtime.health import HealthCheck, ListChecks
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import Audience, DescribedError, Endpoint, Environ, Port, get, shape_error

BOTH = (Port.SERVED, Port.CONTROL)
_VERBOSE = "verbose"
_CHECKS = "bazaar.checks"
"""Where a request carries the checks that it was refused for."""


def show_health(_: None, environ: Environ) -> dict[str, Any]:
    """
    Tell that this process answers.

    GET answers `{"status": "ok"}`; with `?verbose` also the checks, of which there is one: it
    answers.
    """
    return _shape("ok", (HealthCheck("answers"),), environ)


def make_health_endpoints(
    list_checks: ListChecks, ports: tuple[Port, ...] = BOTH
) -> tuple[Endpoint, ...]:
    """Return the health endpoints of a role. list_checks: reads memory only."""

    def show_readiness(_: None, environ: Environ) -> dict[str, Any]:
        """
        Tell whether this process can do its job.

        GET answers `{"status": "ready"}`, or 503 and `{"status": "not ready", "reasons"}` with a
        sentence for each thing that is wrong. `?verbose` adds `checks`: all that was looked at.
        """
        checks = list_checks()
        if reasons := _list_reasons(checks):
            environ[_CHECKS] = checks
            raise EndpointRefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                " ".join(reasons),
                {"Retry-After": str(RETRY_AFTER_S)},
            )
        return _shape("ready", checks, environ)

    health = get(show_health, takes_environ=True, is_instant=True)
    readiness = get(
        show_readiness, takes_environ=True, is_instant=True, shape_failure=_shape_failure
    )
    return (
        Endpoint("/healthz", health, ports=ports, audience=Audience.PROBE),
        Endpoint("/readyz", readiness, ports=ports, audience=Audience.PROBE),
    )


def _list_reasons(checks: tuple[HealthCheck, ...]) -> list[str]:
    return [check.problem for check in checks if not check.is_ok]


def _shape_failure(error: DescribedError, environ: Environ) -> dict[str, Any]:
    if (checks := environ.get(_CHECKS)) is None:
        return shape_error(error, environ)
    return _shape("not ready", checks, environ)


def _shape(status: str, checks: tuple[HealthCheck, ...], environ: Environ) -> dict[str, Any]:
    body: dict[str, Any] = {"status": status}
    if reasons := _list_reasons(checks):
        body["reasons"] = reasons
    if _is_verbose(environ.get("QUERY_STRING") or ""):
        body["checks"] = [
            {"name": check.name, "is_ok": check.is_ok, "reason": check.problem} for check in checks
        ]
    return body


def _is_verbose(query: str) -> bool:
    """Tell whether the query has `verbose`, with a value or without."""
    return any(one.partition("=")[0] == _VERBOSE for one in query.split("&"))

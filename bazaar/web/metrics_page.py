"""
`/metrics`: what Prometheus scrapes, for whoever has the token (docs/adr/0040).

The token is in a file of the data folder, which only its owner may read; it is read at each scrape,
so a new one needs no restart. Without the file, only callers on this machine are answered that no
proxy stands before.
"""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings

from bazaar.runtime.prometheus import CONTENT_TYPE, ReadMetrics
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import OK, Audience, Endpoint, Environ, Port, get
from bazaar.web.negotiation import prefers_page
from bazaar.web.wsgi_environ import UNSTORED

TOKEN_FILE = "metrics.token"  # noqa: S105 - the name of a file
TOKEN_BYTES_MAX = 4096
_LOOPBACK = frozenset(("127.0.0.1", "::1", "::ffff:127.0.0.1"))
_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
_SCHEME = "Bearer "

ListTargets = Callable[[], list[dict[str, Any]]]


def check_token(environ: Environ) -> None:
    """Raise EndpointRefusedError (401) unless the caller may see metrics."""
    token = _read_token(settings.BAZAAR_DATA_DIR / TOKEN_FILE)
    if not token:
        is_near = environ.get("REMOTE_ADDR") in _LOOPBACK
        if is_near and not any(name in environ for name in _PROXIED):
            return
        raise _refuse("There is no metrics token; without one only this machine is answered.")
    header = str(environ.get("HTTP_AUTHORIZATION") or "")
    given = header.removeprefix(_SCHEME).strip() if header.startswith(_SCHEME) else ""
    if not secrets.compare_digest(given.encode(errors="replace"), token.encode()):
        raise _refuse(f"Send the token of {TOKEN_FILE} in the data folder as a bearer token.")


def _read_token(path: Path) -> str:
    """Return the token; nothing when there is no file. Raises EndpointRefusedError (401)."""
    try:
        with path.open(encoding="ascii") as file:
            return file.read(TOKEN_BYTES_MAX).strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise _refuse("The metrics token cannot be read.") from error


def _refuse(message: str) -> EndpointRefusedError:
    return EndpointRefusedError(
        HTTPStatus.UNAUTHORIZED, message, {"WWW-Authenticate": 'Bearer realm="metrics"'}
    )


def make_metrics_endpoint(read: ReadMetrics, port: Port = Port.CONTROL) -> Endpoint:
    """Return the endpoint with the metrics of a role."""

    def show_metrics(_: None, environ: Environ) -> Any:
        """
        Return the metrics of this process, as Prometheus reads them.

        GET answers text, a line for each value; docs/METRICS.md says what each means. It takes the
        bearer token of `metrics.token` in the data folder. In a browser the lines are a list.
        """
        check_token(environ)
        body = import_module("bazaar.runtime.prometheus_text").encode_metrics(read)
        if prefers_page(environ.get("HTTP_ACCEPT", "")):
            return {"metrics": body.decode().splitlines()}
        length = ("Content-Length", str(len(body)))
        return OK, [("Content-Type", CONTENT_TYPE), UNSTORED, length], body, None

    return Endpoint(
        "/metrics", get(show_metrics, takes_environ=True), ports=(port,), audience=Audience.MONITOR
    )


def make_targets_endpoint(list_targets: ListTargets) -> Endpoint:
    """Return the endpoint that lists what is to be scraped."""

    def show_targets(_: None, environ: Environ) -> Any:
        """
        Return where each process of the cluster has its metrics.

        GET answers a list for `http_sd_configs` of Prometheus, `[{"targets", "labels"}, ...]`, the
        further workers of front ends among them. It takes the same token as `/metrics`.
        """
        check_token(environ)
        return list_targets()

    return Endpoint(
        "/metrics/targets",
        get(show_targets, takes_environ=True),
        ports=(Port.CONTROL,),
        audience=Audience.MONITOR,
    )

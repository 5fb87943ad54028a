"""What the URLconfs serve, read from them: a new endpoint cannot be forgotten by a test."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from bazaar.web.endpoint import Endpoint
from tests.support.listeners import CONTROL, SERVED

URLCONFS = (*SERVED, *CONTROL)
"""All but the dashboard's, which are for who signs in: `tests/dashboard/test_permissions.py`."""
HEALTH = ("/healthz", "/readyz")
"""What anybody may ask at every port."""
METRICS = ("/metrics", "/metrics/targets")
"""What is at control ports, for whoever has the token; each test with a browser is on loopback."""
PUBLIC = frozenset(
    {
        *((urlconf, "/metrics") for urlconf in CONTROL),
        ("bazaar.urls.catalog_control", "/metrics/targets"),
        *((urlconf, path) for urlconf in URLCONFS for path in HEALTH),
        ("bazaar.urls.frontend", "/"),
        ("bazaar.urls.frontend", "/stocks"),
        ("bazaar.urls.frontend", "/orders"),
        ("bazaar.urls.frontend", "/leader"),
        ("bazaar.urls.frontend", "/stocks/{name}"),
        ("bazaar.urls.frontend", "/orders/{number}"),
        ("bazaar.urls.frontend", "/api/v1/stocks"),
        ("bazaar.urls.frontend", "/api/v1/stocks/{stock_name}"),
        ("bazaar.urls.frontend", "/api/v1/orders"),
        ("bazaar.urls.frontend", "/api/v1/orders/{order_no}"),
        ("bazaar.urls.frontend", "/api/v1/orders/{order_no}/trace"),
        ("bazaar.urls.frontend", "/api/v1/traces/{idempotency_key}"),
        ("bazaar.urls.frontend", "/api/v1/cluster"),
        ("bazaar.urls.frontend", "/problems/{kind}"),
        ("bazaar.urls.frontend", "/api/schema"),
    }
)
"""Every path that anybody may call; the rest is for cluster members."""
_FOR_CLIENTS = {urlconf for urlconf, path in PUBLIC if path not in (*HEALTH, *METRICS)}
MEMBER_URLCONFS = tuple(one for one in URLCONFS if one not in _FOR_CLIENTS)
"""URLconfs without a single public path but those of HEALTH and METRICS."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path of one URLconf."""

    urlconf: str
    endpoint: Endpoint

    @property
    def path(self) -> str:
        return self.endpoint.path

    @property
    def link(self) -> str:
        """The path with a valid parameter."""
        return self.endpoint.link

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(action.method for action in self.endpoint.actions)

    @property
    def is_public(self) -> bool:
        return (self.urlconf, self.path) in PUBLIC

    def __str__(self) -> str:
        return f"{self.urlconf.removeprefix('bazaar.urls.')} {self.path}"


def list_routes(urlconfs: tuple[str, ...] = URLCONFS) -> list[Route]:
    """Return every path of these URLconfs."""
    return [route for urlconf in urlconfs for route in _routes(urlconf)]


def _routes(urlconf: str) -> Iterator[Route]:
    for endpoint in import_module(urlconf).ENDPOINTS:
        yield Route(urlconf, endpoint)

"""What the dashboard answers without its pages: its health and its metrics."""

from bazaar.web.endpoint import Port
from bazaar.web.metrics_page import make_metrics_endpoint
from bazaar.web.probes import make_health_endpoints
from dashboard import wiring

SERVED_ENDPOINTS = (
    *make_health_endpoints(wiring.list_checks, (Port.SERVED,)),
    make_metrics_endpoint(wiring.read_metrics, Port.SERVED),
)

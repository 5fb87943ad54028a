"""What the dashboard serves: pages and JSON to staff, its health to anybody."""

from django.urls import path, re_path

from bazaar.web.endpoint import Port
from bazaar.web.metrics_page import make_metrics_endpoint
from bazaar.web.probes import make_health_endpoints
from bazaar.web.view import make_patterns
from dashboard import wiring
from dashboard.panels import PANELS
from dashboard.site import site
from dashboard.views import PanelDetail

ENDPOINTS = (
    *make_health_endpoints(wiring.list_checks, (Port.SERVED,)),
    make_metrics_endpoint(wiring.read_metrics, Port.SERVED),
)

urlpatterns = [
    *make_patterns(ENDPOINTS, Port.SERVED),
    *(re_path(panel.api_path, PanelDetail.as_view(panel=panel, site=site)) for panel in PANELS),
    path("", site.urls),
]
handler400 = "bazaar.web.errors.answer_malformed"
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

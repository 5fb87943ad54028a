"""What the dashboard serves: pages and JSON to staff, its health to anybody."""

from django.urls import path, re_path

from bazaar.web.endpoint import Port
from bazaar.web.view import make_patterns
from dashboard import own_endpoints
from dashboard.panels import PANELS
from dashboard.site import site
from dashboard.views import PanelDetail

ENDPOINTS = own_endpoints.SERVED_ENDPOINTS

urlpatterns = [
    *make_patterns(ENDPOINTS, Port.SERVED),
    *(re_path(panel.api_path, PanelDetail.as_view(panel=panel, site=site)) for panel in PANELS),
    path("", site.urls),
]
handler400 = "bazaar.web.page_errors.answer_malformed"
handler404 = "bazaar.web.page_errors.answer_unknown_path"
handler500 = "bazaar.web.page_errors.answer_mistake"

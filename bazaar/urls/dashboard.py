"""What the dashboard serves to staff: its pages, and the same as JSON."""

from django.urls import path, re_path

from dashboard.panels import PANELS
from dashboard.site import site
from dashboard.views import PanelDetail

urlpatterns = [
    *(re_path(panel.api_path, PanelDetail.as_view(panel=panel, site=site)) for panel in PANELS),
    path("", site.urls),
]
handler400 = "bazaar.web.errors.answer_malformed"
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

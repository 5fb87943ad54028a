"""What the dashboard serves: its pages and the same as JSON, all for those who signed in."""

from django.urls import path, re_path

from dashboard import views
from dashboard.site import site

urlpatterns = [
    re_path(r"^api/cluster/?$", views.ClusterDetail.as_view()),
    path("", site.urls),
]
handler404 = "bazaar.rest.answer_unknown_path"
handler500 = "bazaar.rest.answer_mistake"

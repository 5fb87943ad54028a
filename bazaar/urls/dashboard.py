"""What the dashboard serves: one page, and the same as JSON."""

from django.urls import re_path

from dashboard import views

urlpatterns = [
    re_path(r"^$", views.ClusterPage.as_view()),
    re_path(r"^api/cluster/?$", views.ClusterDetail.as_view()),
]
handler404 = "bazaar.rest.answer_unknown_path"
handler500 = "bazaar.rest.answer_mistake"

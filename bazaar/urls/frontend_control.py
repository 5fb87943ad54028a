"""What a front end serves on its control port."""

from django.urls import re_path

from bazaar.web.index import MemberIndex
from frontend_app import views

urlpatterns = [
    re_path(r"^$", MemberIndex.as_view()),
    re_path(r"^invalidate/?$", views.Invalidate.as_view()),
    re_path(r"^rm/?$", views.CacheRemove.as_view()),
    re_path(r"^status/?$", views.StatusDetail.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

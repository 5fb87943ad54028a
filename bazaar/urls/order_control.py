"""What an order replica serves on its control port."""

from django.urls import re_path

from bazaar.web.index import MemberIndex
from order_app import views

urlpatterns = [
    re_path(r"^$", MemberIndex.as_view()),
    re_path(r"^ping/?$", views.PingDetail.as_view()),
    re_path(r"^leader/?$", views.LeaderNotice.as_view()),
    re_path(r"^sync/?$", views.Sync.as_view()),
    re_path(r"^log/?$", views.LogPage.as_view()),
    re_path(r"^find/?$", views.RowSearch.as_view()),
    re_path(r"^rows/?$", views.RowPage.as_view()),
    re_path(r"^status/?$", views.StatusDetail.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

"""What an order replica serves: trades and look-ups, to cluster members."""

from django.urls import re_path

from bazaar.web.index import MemberIndex
from order_app import views

urlpatterns = [
    re_path(r"^$", MemberIndex.as_view()),
    re_path(r"^query/?$", views.SeedQuery.as_view()),
    re_path(r"^trade/?$", views.SeedTrade.as_view()),
    re_path(r"^trades/?$", views.TradeList.as_view()),
    re_path(r"^order/?$", views.OrderDetail.as_view()),
    re_path(r"^ping/?$", views.PingDetail.as_view()),
    re_path(r"^leader/?$", views.LeaderNotice.as_view()),
    re_path(r"^sync/?$", views.Sync.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

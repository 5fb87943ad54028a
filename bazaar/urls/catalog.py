"""What the catalog serves: stocks and trades, to cluster members."""

from django.urls import re_path

from bazaar.web.index import MemberIndex
from catalog_app import views

urlpatterns = [
    re_path(r"^$", MemberIndex.as_view()),
    re_path(r"^query/?$", views.SeedQuery.as_view()),
    re_path(r"^trade/?$", views.SeedTrade.as_view()),
    re_path(r"^stock/?$", views.StockDetail.as_view()),
    re_path(r"^fill/?$", views.StockFill.as_view()),
    re_path(r"^batch/?$", views.BatchCreate.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

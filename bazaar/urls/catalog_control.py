"""What the catalog serves on its control port."""

from django.urls import re_path

from bazaar.web.index import MemberIndex
from catalog_app import views

urlpatterns = [
    re_path(r"^$", MemberIndex.as_view()),
    re_path(r"^ledger/?$", views.LedgerPage.as_view()),
    re_path(r"^leadership/?$", views.Leadership.as_view()),
    re_path(r"^price/?$", views.PriceChange.as_view()),
    re_path(r"^register/?$", views.HolderRegister.as_view()),
    re_path(r"^renew/?$", views.HolderRenew.as_view()),
    re_path(r"^find/?$", views.RowSearch.as_view()),
    re_path(r"^rows/?$", views.RowPage.as_view()),
    re_path(r"^stocks/?$", views.Listing.as_view()),
    re_path(r"^status/?$", views.StatusDetail.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

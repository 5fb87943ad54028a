"""What a front end serves: the seed's dialect."""

from django.urls import re_path

from bazaar.web.index import Index
from frontend_app import views

urlpatterns = [
    re_path(r"^$", Index.as_view()),
    re_path(r"^stocks/?$", views.StockDetail.as_view()),
    re_path(r"^orders/?$", views.OrderList.as_view()),
    re_path(r"^leader/?$", views.LeaderDetail.as_view()),
    re_path(r"^rm/?$", views.CacheRemove.as_view()),
]
handler404 = "bazaar.web.rest.answer_unknown_path"
handler500 = "bazaar.web.rest.answer_mistake"

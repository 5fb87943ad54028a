"""What a front end serves: three dialects, and the pages that describe them."""

from django.urls import re_path

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.view import make_patterns
from frontend_app import schema_views, views

ENDPOINTS = with_index(views.ENDPOINTS, Port.SERVED, Audience.PUBLIC)

urlpatterns = [
    *make_patterns(ENDPOINTS, Port.SERVED),
    re_path(r"^api/docs/?$", schema_views.show_swagger),
    re_path(r"^api/docs/redoc/?$", schema_views.show_redoc),
]
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

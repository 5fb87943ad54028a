"""What a front end serves: three dialects, and the pages that describe them."""

from django.urls import re_path

from bazaar.web.endpoint import Port
from bazaar.web.view import make_patterns
from frontend_app import schema_pages, views

ENDPOINTS = views.SERVED_ENDPOINTS

urlpatterns = [
    *make_patterns(ENDPOINTS, Port.SERVED),
    re_path(r"^api/docs/?$", schema_pages.show_swagger),
    re_path(r"^api/docs/redoc/?$", schema_pages.show_redoc),
]
handler404 = "bazaar.web.page_errors.answer_unknown_path"
handler500 = "bazaar.web.page_errors.answer_mistake"

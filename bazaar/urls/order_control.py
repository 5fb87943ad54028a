"""What an order replica serves on its control port."""

from bazaar.web.endpoint import Port
from bazaar.web.view import make_patterns
from order_app import views

ENDPOINTS = views.CONTROL_ENDPOINTS

urlpatterns = make_patterns(ENDPOINTS, Port.CONTROL)
handler404 = "bazaar.web.page_errors.answer_unknown_path"
handler500 = "bazaar.web.page_errors.answer_mistake"

"""What an order replica serves: trades and look-ups, to cluster members."""

from bazaar.web.endpoint import Port
from bazaar.web.view import make_patterns
from order_app import views

ENDPOINTS = views.SERVED_ENDPOINTS

urlpatterns = make_patterns(ENDPOINTS, Port.SERVED)
handler404 = "bazaar.web.page_errors.answer_unknown_path"
handler500 = "bazaar.web.page_errors.answer_mistake"

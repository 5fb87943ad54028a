"""What an order replica serves: trades and look-ups, to cluster members."""

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.view import make_patterns
from order_app import views

ENDPOINTS = with_index(views.ENDPOINTS, Port.SERVED, Audience.MEMBER)

urlpatterns = make_patterns(ENDPOINTS, Port.SERVED)
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

"""What an order replica serves on its control port."""

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.view import make_patterns
from order_app import views

ENDPOINTS = with_index(views.ENDPOINTS, Port.CONTROL, Audience.MEMBER)

urlpatterns = make_patterns(ENDPOINTS, Port.CONTROL)
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

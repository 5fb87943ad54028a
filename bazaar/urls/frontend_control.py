"""What a front end serves on its control port."""

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.view import make_patterns
from frontend_app import views

ENDPOINTS = with_index(views.ENDPOINTS, Port.CONTROL, Audience.MEMBER)

urlpatterns = make_patterns(ENDPOINTS, Port.CONTROL)
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

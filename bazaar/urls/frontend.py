"""What a front end serves: the seed's dialect."""

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.view import make_patterns
from frontend_app import views

ENDPOINTS = with_index(views.ENDPOINTS, Port.SERVED, Audience.PUBLIC)

urlpatterns = make_patterns(ENDPOINTS, Port.SERVED)
handler404 = "bazaar.web.errors.answer_unknown_path"
handler500 = "bazaar.web.errors.answer_mistake"

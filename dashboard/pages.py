"""How a browser sees the JSON of a panel: the browsable API in the admin's frame."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from bazaar.web.pages import PageRenderer


class PanelRenderer(PageRenderer):
    """Render a panel's view in the frame; to who is refused, without it."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the page."""
        response = (renderer_context or {})["response"]  # DRF gives one to every renderer
        is_refused = response.status_code == HTTPStatus.FORBIDDEN
        self.template = "bazaar/page.html" if is_refused else "dashboard/endpoint.html"
        return str(super().render(data, accepted_media_type, renderer_context))

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what page and frame show."""
        shown = super().get_context(data, accepted_media_type, renderer_context)
        if "way_in" in shown:
            return shown
        return {**renderer_context["view"].site.each_context(renderer_context["request"]), **shown}

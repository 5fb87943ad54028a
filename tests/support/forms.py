"""The forms of a page, as a browser reads them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """One form: where it goes, and what is in it before anybody types."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._name, self._is_option, self._text = "", False, ""
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(told.get("method", "get"), told.get("action", "")))
            self._is_inside = True
        elif tag == "input" and self._is_inside:
            self.forms[-1].fields[told["name"]] = told.get("value", "")
        elif tag in ("select", "textarea"):
            self._name, self._text = told["name"], ""
        elif tag == "option":
            self._is_option = "selected" in told
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" or (tag == "option" and self._is_option):
            self.forms[-1].fields[self._name] = self._text
        if tag == "option":
            self._is_option = False
        if tag == "form":
            self._is_inside = False


def read_forms(html: str) -> list[Form]:
    """Return the forms of a page in their order."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms

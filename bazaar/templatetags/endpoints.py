"""How a page writes what an endpoint says of itself."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def described(text: str) -> SafeString:
    """Return a docstring as paragraphs, with `what is in backticks` as code."""
    paragraphs = [part.strip() for part in text.split("\n\n")]
    return format_html_join("", "<p>{}</p>", ((coded(part),) for part in paragraphs if part))


@register.filter
def coded(text: str) -> SafeString:
    """Return a text with what is in backticks as code."""
    pieces = text.split("`")
    tags = ("code" if number % 2 else "span" for number in range(len(pieces)))
    return format_html_join("", "<{0}>{1}</{0}>", zip(tags, pieces, strict=True))


@register.filter
def summed_up(text: str) -> SafeString:
    """Return the first paragraph of a docstring."""
    return format_html("{}", coded(text.partition("\n\n")[0].strip()))

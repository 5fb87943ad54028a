"""How a page writes what an endpoint says of itself."""

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
_TAGS = {"`": "code", "**": "strong"}
_MARKED = re.compile(r"(`|\*\*)(.+?)\1", re.DOTALL)


@register.filter
def described(text: str) -> SafeString:
    """Return a text as paragraphs, with `what is in backticks` as code."""
    paragraphs = [part.strip() for part in text.split("\n\n")]
    return format_html_join("", "<p>{}</p>", ((coded(part),) for part in paragraphs if part))


@register.filter
def coded(text: str) -> SafeString:
    """Return a text with what is in backticks as code, and in stars as strong."""
    pieces = _MARKED.split(text)  # plain, its mark, what is inside, plain, ...
    tagged = [("span", pieces[0])]
    for mark, inside, plain in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        tagged += [(_TAGS[mark], inside), ("span", plain)]
    return format_html_join("", "<{0}>{1}</{0}>", tagged)


@register.filter
def summed_up(text: str) -> SafeString:
    """Return the first paragraph of a docstring."""
    return format_html("{}", coded(text.partition("\n\n")[0].strip()))

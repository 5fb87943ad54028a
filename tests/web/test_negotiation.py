"""What a request accepts, and which representation it has already (RFC 9110)."""

import pytest

from bazaar.web.negotiation import has_tag, prefers_page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/xml", False),
        ("text/plain", False),
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*", True),
        ("text/html;level=1;q=0.7, application/json;q=0.6", True),
        ("text/html;q=0.7, application/json", False),
        ("text/html, application/json", False),
        ("text/html;q=0.5, */*;q=0.5", False),
        ("text/html;q=0", False),
        ("text/html;q=0, text/*", False),
        ("application/json;q=0.1, text/html;q=0.2", True),
        ("application/json;q=0.1, text/html;q=0.2, */*;q=1", True),
        ("text/html;q=nonsense, application/json;q=0.9", True),
        ("text/html;q=0.9, application/*", False),
        ("," * 5000 + "text/html", False),
    ],
)
def test_the_greater_weight_decides_and_nothing_is_unacceptable(
    accept: str, *, is_page: bool
) -> None:
    assert prefers_page(accept) is is_page


@pytest.mark.parametrize(
    ("header", "is_known"),
    [
        ('"4-v1"', True),
        ("*", True),
        (" * ", True),
        ('W/"4-v1"', True),
        ('"1", W/"4-v1","7"', True),
        ('"a, b", "4-v1"', True),
        ('"4"', False),
        ('"4-v1', False),
        ("4-v1", False),
        ('"14-v1", "4-v10"', False),
        ("", False),
    ],
)
def test_a_tag_is_found_in_a_list_weak_or_not(header: str, *, is_known: bool) -> None:
    assert has_tag(header, '"4-v1"') is is_known

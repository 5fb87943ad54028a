"""How pages write numbers."""

from decimal import Decimal

import pytest

from dashboard.templatetags.numbers import rounded, thousands


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (999, "999"),
        (0, "0"),
        (Decimal("1234.50"), "1,234.50"),
        (None, "\N{EN DASH}"),
    ],
)
def test_thousands_are_separated(value: float | Decimal | None, text: str) -> None:
    assert thousands(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.56, "1,235"), (99.44, "99.4"), (0.0312, "0.03"), (0.0, "0"), (None, "\N{EN DASH}")],
)
def test_a_measured_number_is_rounded(value: float | None, text: str) -> None:
    assert rounded(value) == text

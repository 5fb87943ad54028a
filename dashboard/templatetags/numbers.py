"""How pages write numbers."""

from decimal import Decimal

from django import template

register = template.Library()
NOTHING = "\N{EN DASH}"
"""Where there is no number."""


@register.filter
def thousands(value: float | Decimal | None) -> str:
    """Return a number with a comma between thousands, or a dash for None."""
    return NOTHING if value is None else f"{value:,}"


@register.filter
def rounded(value: float | None) -> str:
    """Return a measured number as short as it is still telling, or a dash for None."""
    if value is None:
        return NOTHING
    places = 0 if value == 0 or abs(value) >= 100 else 1 if abs(value) >= 1 else 2  # noqa: PLR2004
    return f"{value:,.{places}f}"

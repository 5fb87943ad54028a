"""Numbers that people type: read, checked, and refused with the option's name (I10)."""

import math

from bazaar.cluster.errors import Ended

DIGITS_MAX = 20


def read_whole(option: str, text: str, least: int, most: int) -> int:
    """Return a whole number, least..most. Raises Ended (2)."""
    is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    if not (is_number and least <= int(text) <= most):
        raise Ended(f"{option} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def read_number(option: str, text: str, least: float, most: float) -> float:
    """Return a number, least..most. Raises Ended (2)."""
    try:
        value = float(text) if text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Ended(f"{option} must be a number from {least:g} to {most:g}, not {text!r}.")
    return value

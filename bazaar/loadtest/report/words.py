"""What things are called on pages and plots."""

NAMES = {"query": "stock look-ups", "trade": "trades", "order": "order look-ups"}
"""The kinds of operation, in the plural."""

"""The management commands; each parses its arguments and makes one call."""

"""What a test sees of log lines."""

import logging
from collections.abc import Sequence


def lines_of(records: Sequence[logging.LogRecord]) -> list[str]:
    """Return phrase and fields of each record, as they were given."""
    return [_line_of(record) for record in records]


def _line_of(record: logging.LogRecord) -> str:
    if not isinstance(record.msg, dict):
        return record.getMessage()
    fields = {name: value for name, value in record.msg.items() if name != "event"}
    return " ".join([record.msg["event"], *(f"{name}={value}" for name, value in fields.items())])

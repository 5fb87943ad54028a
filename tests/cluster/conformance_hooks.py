"""
What the process of schemathesis does besides while it tries the API; `conformance` starts it.

It counts the answers. CONFORMANCE_ANSWERS names the file that gets the counts at its end.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis

_answers: Counter[tuple[str, str]] = Counter()


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Write a whole quantity with digits alone: 5.0 is an integer for JSON Schema, but not here."""
    quantity = body.get("quantity") if isinstance(body, dict) else None
    if isinstance(quantity, float) and quantity.is_integer():
        return {**body, "quantity": int(quantity)}
    return body


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count an answer by the first tag of its operation and the class of its status."""
    _answers[case.operation.tags[0], f"{response.status_code // 100}xx"] += 1


@atexit.register
def write_answers() -> None:
    """Write `[tag, class, count]` for each."""
    counts = [(tag, statuses, count) for (tag, statuses), count in sorted(_answers.items())]
    Path(os.environ["CONFORMANCE_ANSWERS"]).write_text(json.dumps(counts), "utf-8")

"""
What the process of schemathesis counts while it tries the API; `conformance` starts it.

CONFORMANCE_ANSWERS names the file that gets the counts at its end.
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
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count an answer by the first tag of its operation and the class of its status."""
    _answers[case.operation.tags[0], f"{response.status_code // 100}xx"] += 1


@atexit.register
def write_answers() -> None:
    """Write `[tag, class, count]` for each."""
    counts = [(tag, statuses, count) for (tag, statuses), count in sorted(_answers.items())]
    Path(os.environ["CONFORMANCE_ANSWERS"]).write_text(json.dumps(counts), "utf-8")

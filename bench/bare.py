"""A bare WSGI callable that gives one fixed answer: no application on the same server beats it."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

_ANSWER = json.loads(os.environ["BENCH_ANSWER"])
_BODY = _ANSWER["body"].encode()
_HEADERS = [(name, value) for name, value in _ANSWER["headers"]]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Give the answer."""
    start_response("200 OK", _HEADERS)
    return [_BODY]

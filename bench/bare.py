"""A bare WSGI callable that gives one fixed answer."""

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

_ANSWER = json.loads(os.environ["BENCH_ANSWER"])
_BODY = _ANSWER["body"].encode()
_WORK_S = int(os.environ.get("BENCH_WORK_US", "0")) / 1e6
_HEADERS = [(name, value) for name, value in _ANSWER["headers"]]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Give the answer, after as much work as was asked for."""
    until_s = time.thread_time() + _WORK_S
    while _WORK_S and time.thread_time() < until_s:
        pass
    start_response("200 OK", _HEADERS)
    return [_BODY]

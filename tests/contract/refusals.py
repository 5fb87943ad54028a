"""How a bad request must be answered: a 4xx, JSON, a sentence; and nothing has changed."""

import json
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db.models import Model

from bazaar.protocol.http1 import Reply
from bazaar.web.problems import PROBLEM_JSON
from tests.support.listeners import Headers, Listener, signature

REFUSED = frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422})
Sent = tuple[str, str, bytes, Headers]
"""Method, target, body, headers besides the signature."""


def complaints(urlconf: str, requests: Iterable[Sent], *, is_signed: bool) -> list[str]:
    """Send bad requests and return one line for each that was not properly refused."""
    listener = Listener(urlconf)
    found = []
    for method, target, body, headers in requests:
        signed = signature(method, target, body) if is_signed else {}
        reply = listener.call(method, target, body, {**headers, **signed})
        if fault := _fault(reply):
            found.append(f"{method} {target[:80]} {body[:120]!r} {len(body)}: {fault}")
    return found


def _fault(reply: Reply) -> str:
    if reply.status not in REFUSED:
        return f"status {reply.status} {reply.body[:200]!r}"
    if reply.headers.get("content-type") not in ("application/json", PROBLEM_JSON):
        return f"content type {reply.headers.get('content-type')}"
    return "" if message_of(reply) else f"no message in {reply.body[:200]!r}"


def message_of(reply: Reply) -> str:
    """Return what an error says in any of its shapes; empty when it says nothing."""
    body: Any = json.loads(reply.body)
    inner = body.get("error", body)
    message = inner.get("message", "") or inner.get("detail", "")
    return message if isinstance(message, str) else ""


def snapshot() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, but not how often was decided, nor when."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values_list(*_columns(model)))
        for model in apps.get_models()
    }


def _columns(model: type[Model]) -> list[str]:
    fields = (one for one in model._meta.concrete_fields if not one.generated)
    return [one.attname for one in fields if one.name not in ("decisions", "proofs")]

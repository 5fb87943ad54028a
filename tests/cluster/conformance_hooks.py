"""
Hooks of schemathesis, loaded by its own process.

JSON Schema takes 5.0 as a whole number; the bazaar, like msgspec, takes 5 only (docs/API.md).
"""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Tell whether a body is one that the description can tell from others."""
    quantity = body.get("quantity") if isinstance(body, dict) else None
    return not (isinstance(quantity, float) and quantity.is_integer())

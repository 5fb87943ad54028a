"""An application that is loaded with its first request."""

import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from bazaar.web.endpoint import Environ

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class LateApplication:
    """
    A WSGI application that is made when it is first called.

    Programs never need Django's pages, so a process that starts does not wait for them.
    """

    def __init__(self, module: str, function: str) -> None:
        """Take the names of the function that makes it, and of its module."""
        self._module, self._function = module, function
        self._lock = threading.Lock()
        self._made: Application | None = None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        return (self._made or self._make())(environ, start_response)

    def _make(self) -> Application:
        with self._lock:  # two first requests at once make it once
            if self._made is None:
                self._made = getattr(import_module(self._module), self._function)()
            return self._made

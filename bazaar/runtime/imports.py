"""What a start leaves out of the imports of other libraries (docs/adr/0056)."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

FOR_PAGES = ("django.forms", "sqlparse")
"""What Django's models import, and use for pages and migrations only."""
_lock = threading.Lock()


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """
    Have modules seem not to be installed, unless they are loaded already.

    For a library that takes another one where it is there, and can do without. Only around an
    import of a process that has one thread: others would miss them, too.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None ends an import
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def put_off(*names: str) -> None:
    """
    Have modules load when something in them is first used, not when imported.

    Nothing happens to those that are loaded already.
    """
    for name in names:
        if name in sys.modules:
            continue
        module = _LateModule(name)
        module.__spec__ = find_spec(name)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


class _LateModule(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has under a name; load it before."""
        with _lock:  # not while it loads: imports have locks of their own
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), attribute)

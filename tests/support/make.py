"""A `make` that a test runs, which may itself run below `make test`."""

import os

_PASSED_DOWN = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def environment_without_make() -> dict[str, str]:
    """Return this environment without what a `make` passes to one below it."""
    return {name: value for name, value in os.environ.items() if name not in _PASSED_DOWN}

"""Simulated processes log as real ones do; nobody reads it."""

import logging
from collections.abc import Iterator

import pytest

from tests.sim.tasks import Tasks


@pytest.fixture(autouse=True, scope="package")
def _quiet() -> Iterator[None]:
    """Keep no record of the leases and elections that begin and end by the thousand."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """End the threads of every simulation that a test has left."""
    yield
    for tasks in tuple(Tasks.opened):
        tasks.close()

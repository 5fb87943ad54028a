"""Simulated processes log as real ones do; nobody reads it."""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.sim.tasks import Tasks


@pytest.fixture(autouse=True, scope="package")
def _quiet() -> Iterator[None]:
    """Keep no record of the leases and elections that begin and end by the thousand."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True, scope="package")
def _one_processor() -> Iterator[None]:
    """Keep all threads on one processor: one runs at a time, and wakes the next sooner there."""
    before = sorted(os.sched_getaffinity(0))
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {before[process % len(before)]})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """End the threads of every simulation that a test has left."""
    yield
    for tasks in tuple(Tasks.opened):
        tasks.close()

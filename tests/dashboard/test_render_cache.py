"""What many pages show is made once, and shown no longer than it is true."""

import threading

import pytest

from dashboard.render_cache import ENTRIES_MAX, RenderCache
from tests.support.waits import WAIT_S, run_together


class Maker:
    """Counts how often something was made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> int:
        self.made += 1
        return self.made


def test_a_hundred_callers_with_one_key_and_moment_have_it_made_once() -> None:
    cache, maker, together = RenderCache(), Maker(), threading.Barrier(100)

    def call() -> int:
        together.wait(WAIT_S)
        return int(cache.get("cluster", 1.0, maker))

    assert set(run_together([call] * 100)) == {1}


def test_another_moment_or_another_key_has_it_made_again() -> None:
    cache, maker = RenderCache(), Maker()
    calls = (("a", 1.0), ("a", 1.0), ("a", 2.0), ("b", 2.0), ("a", 2.0))
    assert [cache.get(key, moment, maker) for key, moment in calls] == [1, 1, 2, 3, 2]


def test_nothing_old_is_shown_after_clear() -> None:
    cache, maker = RenderCache(), Maker()
    cache.get("a", 1.0, maker)
    cache.clear()
    assert cache.get("a", 1.0, maker) == 2


def test_a_failure_is_not_cached() -> None:
    cache, maker = RenderCache(), Maker()

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get("a", 1.0, fail)
    assert cache.get("a", 1.0, maker) == 1


def test_a_slow_value_holds_up_no_other_key() -> None:
    cache, maker = RenderCache(), Maker()
    assert cache.get("slow", 1.0, lambda: cache.get("quick", 1.0, maker)) == 1


def test_entries_are_bounded_and_the_least_recently_used_go() -> None:
    """I10."""
    cache, maker = RenderCache(), Maker()
    for number in range(ENTRIES_MAX):
        cache.get(number, 1.0, maker)
    cache.get(0, 1.0, maker)
    cache.get("one more", 1.0, maker)
    assert cache.get(0, 1.0, maker) == 1
    assert cache.get(1, 1.0, maker) == ENTRIES_MAX + 2
    assert len(cache._entries) == ENTRIES_MAX

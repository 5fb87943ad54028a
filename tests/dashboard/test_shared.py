"""What many pages show is made once, and never for longer than it is true."""

import threading

import pytest

from dashboard.shared import KEPT_MAX, Shared
from tests.support.waits import WAIT_S, run_together


class Maker:
    """Counts how often something was made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> int:
        self.made += 1
        return self.made


def test_a_hundred_who_ask_the_same_at_one_moment_have_it_made_once() -> None:
    shared, maker, together = Shared(), Maker(), threading.Barrier(100)

    def ask() -> int:
        together.wait(WAIT_S)
        return int(shared.get("cluster", 1.0, maker))

    assert set(run_together([ask] * 100)) == {1}


def test_another_moment_or_another_question_has_it_made_anew() -> None:
    shared, maker = Shared(), Maker()
    asked = (("a", 1.0), ("a", 1.0), ("a", 2.0), ("b", 2.0), ("a", 2.0))
    assert [shared.get(key, moment, maker) for key, moment in asked] == [1, 1, 2, 3, 2]


def test_what_was_changed_from_here_is_not_shown_as_it_was() -> None:
    shared, maker = Shared(), Maker()
    shared.get("a", 1.0, maker)
    shared.clear()
    assert shared.get("a", 1.0, maker) == 2


def test_a_failure_is_not_kept() -> None:
    shared, maker = Shared(), Maker()

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shared.get("a", 1.0, fail)
    assert shared.get("a", 1.0, maker) == 1


def test_who_is_slow_holds_up_nobody_who_asks_something_else() -> None:
    shared, maker = Shared(), Maker()
    assert shared.get("slow", 1.0, lambda: shared.get("quick", 1.0, maker)) == 1


def test_answers_are_bounded_and_the_least_wanted_go() -> None:
    """I10."""
    shared, maker = Shared(), Maker()
    for number in range(KEPT_MAX):
        shared.get(number, 1.0, maker)
    shared.get(0, 1.0, maker)
    shared.get("one more", 1.0, maker)
    assert shared.get(0, 1.0, maker) == 1
    assert shared.get(1, 1.0, maker) == KEPT_MAX + 2
    assert len(shared._slots) == KEPT_MAX

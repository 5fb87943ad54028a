"""Histories of stocks: right ones are accepted, every kind of wrong one is found and told (I7)."""

import random
import secrets
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bazaar.core.types import TradeType
from bazaar.proof.linearizability import Report, check
from bazaar.proof.stock_operations import StockOperation, StockOperationKind, make_opening
from bazaar.proof.violations import Violation, ViolationKind
from tests.proof.registers import NAME, drop, is_linearizable, mutate, run

HISTORIES = 2000
OPENING = make_opening(NAME, 1, 50, 0, Decimal("10.00"))


def read(client: int, version: int, start_s: float, end_s: float, **shown: Any) -> StockOperation:
    return StockOperation(client, StockOperationKind.READ, NAME, version, start_s, end_s, **shown)


def buy(client: int, version: int | None, start_s: float, **changes: Any) -> StockOperation:
    more: dict[str, Any] = {"trade_type": TradeType.BUY, "shares": 2, **changes}
    return StockOperation(client, StockOperationKind.TRADE, NAME, version, start_s, **more)


def price(client: int, version: int, start_s: float, end_s: float, to: str) -> StockOperation:
    return StockOperation(
        client, StockOperationKind.PRICE, NAME, version, start_s, end_s, price=Decimal(to)
    )


def only(report: Report) -> Violation:
    (violation,) = report.violations
    return violation


# What is accepted


@pytest.mark.parametrize("seen", [(12, 12), (12, 13), (13, 12), (13, 13)])
def test_reads_that_overlap_a_write_and_each_other_may_see_either_version(
    seen: tuple[int, int],
) -> None:
    history = [
        read(1, 12, 0.0, 0.5),
        buy(2, 13, 1.0, end_s=2.0),
        read(3, seen[0], 0.9, 1.5),
        read(4, seen[1], 1.5, 2.5),
        read(5, 13, 2.6, 2.7),
    ]
    assert check(history).violations == ()


def test_an_end_and_a_beginning_at_the_same_moment_overlap() -> None:
    assert check([buy(1, 13, 1.0, end_s=2.0), read(2, 12, 2.0, 3.0)]).violations == ()


def test_a_write_without_an_answer_may_take_effect_at_any_time_after_it_was_sent() -> None:
    history = [read(1, 12, 5.0, 6.0), read(1, 13, 7.0, 8.0), buy(2, 13, 1.0)]
    assert check(history).violations == ()


def test_a_read_marked_stale_may_be_old_and_is_counted() -> None:
    history = [buy(1, 13, 1.0, end_s=2.0), read(2, 12, 3.0, 4.0, is_stale=True)]
    report = check(history)
    assert (report.violations, report.reads, report.stale_reads) == ((), 1, 1)


def test_each_stock_is_checked_by_itself() -> None:
    other = replace(read(2, 5, 3.0, 4.0), stock_name="BoarCo")
    assert check([buy(1, 13, 1.0, end_s=2.0), other]).violations == ()


def test_a_version_without_a_write_is_excused_by_a_write_of_unknown_outcome() -> None:
    history = [OPENING, buy(1, None, 1.0), read(2, 2, 2.0, 3.0)]
    report = check(history)
    assert (report.violations, report.unresolved_writes) == ((), 1)


def test_an_empty_history_is_accepted() -> None:
    assert check([]) == Report(0, 0, 0, 0, ())


# What is found


def test_an_old_read_after_a_trade_is_found_and_described() -> None:
    earlier, later = buy(2, 13, 3.1, end_s=3.16), read(7, 12, 3.201, 3.21)
    violation = only(check([later, read(1, 12, 3.0, 3.05), earlier]))
    assert violation == Violation(ViolationKind.OLD_READ, earlier, later)
    assert violation.describe() == (
        "client 7 read version 12 of MenhirCo at 3.201 s, "
        "41 ms after client 2's purchase that made version 13 was acknowledged"
    )


def test_an_old_read_after_a_read_is_found_with_the_last_read_before_it() -> None:
    earlier, later = read(3, 13, 3.0, 3.2), read(7, 12, 3.2005, 3.21)
    history = [buy(2, 13, 3.0, end_s=3.1), read(4, 12, 2.9, 3.2), earlier, later]
    violation = only(check(history))
    assert (violation.earlier, violation.later) == (earlier, later)
    assert violation.describe().endswith("at 3.200 s, 0.5 ms after client 3 was shown version 13")


def test_an_answer_that_is_older_than_a_stale_one_before_it_is_found() -> None:
    """A stale answer may be old, but what it showed was there."""
    earlier, later = read(1, 13, 1.0, 2.0, is_stale=True), read(2, 12, 3.0, 4.0)
    assert only(check([earlier, later])) == Violation(ViolationKind.OLD_READ, earlier, later)


@pytest.mark.parametrize("is_stale", [False, True])
def test_a_read_that_ends_before_its_write_begins_is_found(is_stale: bool) -> None:  # noqa: FBT001
    earlier, later = read(3, 13, 1.0, 1.5, is_stale=is_stale), buy(2, 13, 2.0)
    violation = only(check([later, earlier]))
    assert violation == Violation(ViolationKind.READ_AHEAD, earlier, later)
    assert violation.describe() == (
        "client 3 was shown version 13 of MenhirCo at 1.500 s, "
        "500 ms before client 2's purchase that made version 13 began"
    )


def test_writes_in_the_wrong_order_are_found() -> None:
    sale = buy(3, 14, 1.0, end_s=2.0, trade_type=TradeType.SELL)
    later = price(2, 13, 2.004, 3.0, "5")
    violation = only(check([sale, later]))
    assert violation == Violation(ViolationKind.WRITE_ORDER, sale, later)
    assert violation.describe() == (
        "client 2's price change that made version 13 of MenhirCo began at 2.004 s, "
        "4 ms after client 3's sale that made version 14 was acknowledged"
    )


def test_two_writes_of_one_version_are_found() -> None:
    first, second = buy(1, 13, 1.0, end_s=2.0), buy(2, 13, 1.5, trade_type=None, shares=None)
    violation = only(check([second, first]))
    assert violation == Violation(ViolationKind.TWO_WRITES, first, second)
    assert violation.describe() == (
        "version 13 of MenhirCo was made by client 1's purchase at 1.000 s "
        "and by client 2's trade at 1.500 s"
    )


def test_one_version_in_two_states_is_found_with_its_closest_pair() -> None:
    history = [
        read(1, 13, 1.0, 1.1, quantity=5, trade_volume=9),
        read(2, 13, 2.0, 2.1, quantity=4, trade_volume=9),
        read(3, 13, 2.2, 2.3, quantity=5),
        read(4, 13, 2.21, 2.3, trade_volume=9, price=Decimal("1.50")),
    ]
    violation = only(check(history))
    assert violation == Violation(ViolationKind.TWO_STATES, history[1], history[2], "quantity")
    assert violation.describe() == (
        "version 13 of MenhirCo had quantity 4 for client 2 at 2.000 s "
        "and 5 for client 3 at 2.200 s"
    )


@pytest.mark.parametrize(
    ("field", "shown", "expected"),
    [("quantity", 47, 46), ("trade_volume", 2, 4), ("price", Decimal("9.99"), Decimal("10.00"))],
)
def test_a_state_that_does_not_follow_from_the_trades_is_found(
    field: str, shown: Any, expected: Any
) -> None:
    """Two purchases of two shares come between; nobody has seen the version in the middle."""
    later = read(3, 3, 5.0, 6.0, **{field: shown})
    history = [OPENING, buy(1, 2, 1.0, end_s=2.0), buy(2, 3, 1.0, end_s=2.0), later]
    violation = only(check(history))
    assert violation == Violation(ViolationKind.WRONG_STEP, OPENING, later, field, expected)
    assert violation.describe().endswith(
        f"{shown} for client 3 at 5.000 s, but {expected} follows "
        f"from {getattr(OPENING, field)} in version 1, which was so for the opening"
    )


def test_a_price_that_is_not_the_one_it_was_changed_to_is_found() -> None:
    change, later = price(1, 2, 1.0, 2.0, "11"), read(2, 3, 5.0, 6.0, price=Decimal(10))
    history = [OPENING, change, buy(3, 3, 1.0, end_s=2.0), later]
    assert only(check(history)) == Violation(
        ViolationKind.WRONG_STEP, change, later, "price", Decimal(11)
    )


def test_a_version_that_no_write_made_is_found_when_the_history_is_complete() -> None:
    seen = read(3, 3, 1.0, 2.0)
    history = [buy(1, 2, 0.0, end_s=0.5), seen, read(4, 3, 2.0, 3.0), buy(5, None, 2.5)]
    violation = only(check([OPENING, *history]))
    assert violation == Violation(ViolationKind.NO_WRITE, seen, seen, expected=3)
    assert violation.describe() == (
        "client 3 read version 3 of MenhirCo at 1.000 s, but no write made version 3"
    )
    assert check(history).violations == (), "an unrecorded write may have made it"


def test_a_hole_between_the_writes_is_found_when_the_history_is_complete() -> None:
    made = buy(1, 3, 0.0)
    assert only(check([OPENING, made])).describe() == (
        "client 1 made version 3 of MenhirCo at 0.000 s, but no write made version 2"
    )


def test_what_is_older_than_the_opening_is_found() -> None:
    late = replace(OPENING, version=3)
    old, write = read(1, 1, 1.0, 2.0), buy(2, 2, 1.0)
    report = check([late, old, write])
    (behind,) = (one for one in report.violations if one.kind is ViolationKind.OLD_READ)
    assert behind.describe() == (
        "client 1 read version 1 of MenhirCo at 1.000 s, but it opened with version 3"
    )
    (below,) = (one for one in report.violations if one.kind is ViolationKind.WRITE_ORDER)
    assert below.describe() == (
        "client 2's purchase that made version 2 of MenhirCo began at 1.000 s, "
        "but it opened with version 3"
    )


def test_the_smallest_violation_comes_first() -> None:
    far, near = read(1, 12, 5.0, 5.1), read(2, 12, 2.002, 2.1)
    report = check([buy(3, 13, 1.0, end_s=2.0), far, near])
    assert [one.later for one in report.violations] == [near, far]
    assert (report.reads, report.stale_reads, report.writes) == (2, 0, 1)


# Against registers, and against a judge that tries every order


def test_what_a_register_did_is_accepted() -> None:
    first = secrets.randbits(32)
    for seed in range(first, first + 200):
        chance = random.Random(seed)
        operations = chance.randint(0, 60)
        history = [*run(chance, operations), *run(chance, operations, "BoarCo")]
        assert check(history).violations == (), f"seed {seed}"


def test_the_verdict_is_that_of_trying_every_order() -> None:
    """Histories with up to two operations changed and up to two left out."""
    first, rights = secrets.randbits(32), 0
    for seed in (0, *range(first, first + HISTORIES)):
        chance = random.Random(seed)
        history = run(chance, chance.randint(3, 6))
        for change in (mutate, drop):
            for _ in range(chance.randint(0, 2)):
                history = change(chance, history)
        is_right, found = is_linearizable(history), check(history)
        rights += is_right
        if is_right:
            assert found.violations == (), f"seed {seed}"
        elif not found.unresolved_writes:  # they excuse more than they could have done
            assert found.violations, f"seed {seed}"
    assert HISTORIES / 10 < rights < HISTORIES * 9 / 10, "both kinds are judged"

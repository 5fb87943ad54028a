"""What clients were told, against the ledger: right histories pass, every kind of lie is named."""

import contextlib
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from bazaar.cluster import exits
from bazaar.loadtest.prove import audit
from bazaar.proof.records import Done, HistoryError, HistoryWriter
from bazaar.proof.verdict import Verdict
from tests.proof.cluster_files import ORDERS, ClusterFiles

History = list[Done]
change = msgspec.structs.replace


def judge(
    files: ClusterFiles, history: History | None = None, *, has_ledger: bool = True
) -> Verdict:
    data = files.data if has_ledger else None
    return audit(files.records(history), data=data, is_offline=True)


def place_of(history: History, kind: str, order_no: int) -> int:
    """Return where in a history an order was placed, or looked up."""
    return next(
        place for place, one in enumerate(history) if (one.kind, one.order_no) == (kind, order_no)
    )


def edit(files: ClusterFiles, kind: str, number: int, /, **changes: Any) -> History:
    """Return the history with one operation changed."""
    history = [*files.history]
    place = place_of(history, kind, number)
    history[place] = change(history[place], **changes)
    return history


@pytest.mark.parametrize("has_ledger", [True, False])
def test_a_history_that_is_right_passes(files: ClusterFiles, *, has_ledger: bool) -> None:
    verdict = judge(files, has_ledger=has_ledger)
    assert (verdict.findings, verdict.gaps, verdict.exit) == ((), (), exits.OK)
    assert verdict.counts["trades acknowledged"] == ORDERS
    assert verdict.counts["reads judged"] == 2 * ORDERS
    assert verdict.counts["writes judged"] == (ORDERS if has_ledger else 0)


def _stale_read(files: ClusterFiles) -> History:
    place = place_of(files.history, "trade", 17) + 1
    before, after = files.history[place - 2], files.history[place]
    shown = {name: getattr(before, name) for name in ("version", "quantity", "trade_volume")}
    return [*files.history[:place], change(after, **shown), *files.history[place + 1 :]]


def _older_read(files: ClusterFiles) -> History:
    """Read as before, after somebody has read the state after a trade."""
    name = files.history[0].stock_name
    first = next(one for one in files.history if one.stock_name == name)
    return [*files.history, change(first, sent_s=900.0, done_s=901.0)]


def _impossible_read(files: ClusterFiles) -> History:
    place = place_of(files.history, "trade", 17) + 1
    read = files.history[place]
    wrong = change(read, quantity=(read.quantity or 0) + 1)
    return [*files.history[:place], wrong, *files.history[place + 1 :]]


def _invented_version(files: ClusterFiles) -> History:
    read = files.history[0]
    shown = {"version": 99, "quantity": None, "trade_volume": None, "price": None}
    return [*files.history, change(read, sent_s=900.0, done_s=901.0, **shown)]


def _lost(files: ClusterFiles) -> History:
    trade = files.history[place_of(files.history, "trade", 17)]
    ghost = change(trade, key=str(UUID(int=999)), order_no=ORDERS + 1, sent_s=800.0, done_s=801.0)
    return [*files.history, ghost]


def _doubled_key(files: ClusterFiles) -> History:
    trade = files.history[place_of(files.history, "trade", 17)]
    return [*files.history, change(trade, order_no=18, sent_s=800.0, done_s=801.0)]


def _shared_number(files: ClusterFiles) -> History:
    return edit(files, "trade", 18, order_no=17)


def _refused_and_done(files: ClusterFiles) -> History:
    return edit(files, "trade", 17, outcome="refused", status=404, order_no=None)


def _busy_and_done(files: ClusterFiles) -> History:
    return edit(files, "trade", 17, outcome="busy", status=429, order_no=None)


def _other_number(files: ClusterFiles) -> History:
    return edit(files, "trade", ORDERS, order_no=ORDERS + 5)


def _other_shares(files: ClusterFiles) -> History:
    return edit(files, "trade", 17, shares=99)


def _misshown(files: ClusterFiles) -> History:
    return edit(files, "order", 17, shares=99)


def _denied(files: ClusterFiles) -> History:
    nothing = {"stock_name": None, "trade_type": None, "shares": None}
    return edit(files, "order", 17, outcome="not_found", status=404, **nothing)


def _denied_stock(files: ClusterFiles) -> History:
    nothing = {"version": None, "quantity": None, "trade_volume": None, "price": None}
    return [change(files.history[0], outcome="not_found", status=404, **nothing)]


BROKEN_HISTORIES: dict[str, tuple[Callable[[ClusterFiles], History], str, str]] = {
    "a stale read": (_stale_read, "I7", r"client 1 read version \d+ of .+ after client 1"),
    "an older read": (_older_read, "I7", r"client 1 read version 1 of .+ at 900\.000 s, .+ after"),
    "a state that never was": (_impossible_read, "I7", r"but \d+ follows from \d+ in version"),
    "a version that nobody made": (_invented_version, "I7", r"but no write made version 9[89]"),
    "a lost order": (_lost, "I3", r"order 41 .+ acknowledged to client 1 at 801\.000 s, is lost"),
    "a doubled key": (_doubled_key, "I2", r"key .+ was acknowledged as order 17 and as order 18"),
    "one number for two": (_shared_number, "I1", r"order 17 was acknowledged for two trades"),
    "refused and done": (_refused_and_done, "I9", r"refused .+ with 404, but it happened as order"),
    "busy and done": (_busy_and_done, "I9", r"refused .+ with 429, but it happened as order 17"),
    "another number": (_other_number, "I2", r"order 45 .+ but the ledger has this key as order 40"),
    "another body": (_other_shares, "I3", r"order 17 \(\w+ 99 .+, but the ledger has this key as"),
    "an order shown wrongly": (_misshown, "I1", r"was shown order 17 as \w+ 99 .+ ledger has"),
    "an order denied": (_denied, "I3", r"told at 17\.800 s that there is no order 17, which had"),
    "a stock denied": (
        _denied_stock,
        "I9",
        r"client 1 was told at 1\.000 s that there is no stock",
    ),
}


@pytest.mark.parametrize("lie", BROKEN_HISTORIES.values(), ids=BROKEN_HISTORIES.keys())
def test_a_history_that_cannot_be_is_named(
    files: ClusterFiles, lie: tuple[Callable[[ClusterFiles], History], str, str]
) -> None:
    tell, invariant, message = lie
    verdict = judge(files, tell(files))
    assert verdict.exit == exits.INCONSISTENT
    told = [one for one in verdict.findings if re.search(message, one.message)]
    assert told, verdict.sentences
    assert (told[0].where, told[0].invariant) == ("history", invariant)


@pytest.mark.parametrize(
    "name",
    [
        *("an older read", "a doubled key", "one number for two", "an order shown wrongly"),
        *("an order denied", "a stock denied"),
    ],
)
def test_some_broken_promises_are_seen_without_the_ledger(files: ClusterFiles, name: str) -> None:
    tell, invariant, _ = BROKEN_HISTORIES[name]
    verdict = judge(files, tell(files), has_ledger=False)
    assert invariant in {finding.invariant for finding in verdict.findings}, verdict.sentences


def _unanswered(files: ClusterFiles) -> History:
    """Let it happen without the client ever hearing of it."""
    return edit(files, "trade", 17, outcome="indefinite", status=None, order_no=None, done_s=None)


def _never_happened(files: ClusterFiles) -> History:
    trade = files.history[place_of(files.history, "trade", 17)]
    nobody = change(trade, key=str(UUID(int=999)), order_no=None, done_s=None)
    return [*files.history, change(nobody, outcome="indefinite", status=503)]


def _refused_rightly(files: ClusterFiles) -> History:
    trade = files.history[place_of(files.history, "trade", 17)]
    nobody = change(trade, key=str(UUID(int=999)), order_no=None, outcome="refused", status=404)
    return [*files.history, nobody]


def _key_reused(files: ClusterFiles) -> History:
    """Have the key used by somebody who is not in this history."""
    return edit(files, "trade", 17, outcome="refused", status=422, order_no=None, shares=99)


def _repeated(files: ClusterFiles) -> History:
    trade = files.history[place_of(files.history, "trade", 17)]
    return [*files.history, change(trade, sent_s=800.0, done_s=801.0)]


def _traded_by_others(files: ClusterFiles) -> History:
    return [one for one in files.history if one.kind != "trade" or (one.order_no or 0) % 2]


def _marked_stale(files: ClusterFiles) -> History:
    place = place_of(files.history, "trade", 17) + 1
    history = _stale_read(files)
    history[place] = change(history[place], is_stale=True)
    return history


def _not_found_before_it_was(files: ClusterFiles) -> History:
    probe = files.history[place_of(files.history, "order", 17)]
    nothing = {"stock_name": None, "trade_type": None, "shares": None}
    early = change(probe, outcome="not_found", sent_s=0.1, done_s=0.2, status=404, **nothing)
    return [early, *files.history]


@pytest.mark.parametrize(
    "tell",
    [
        *(_unanswered, _never_happened, _refused_rightly, _key_reused, _repeated),
        *(_traded_by_others, _marked_stale, _not_found_before_it_was),
    ],
)
@pytest.mark.parametrize("has_ledger", [True, False])
def test_what_may_happen_breaks_no_promise(
    files: ClusterFiles, tell: Callable[[ClusterFiles], History], *, has_ledger: bool
) -> None:
    verdict = judge(files, tell(files), has_ledger=has_ledger)
    assert (verdict.sentences, verdict.gaps) == ((), ())


def test_a_price_change_is_a_version_that_no_trade_made(files: ClusterFiles) -> None:
    name = files.history[0].stock_name
    files.reprice(str(name), Decimal("13.00"))
    newest = files.stocks[str(name)]
    read = change(
        files.history[0],
        sent_s=900.0,
        done_s=901.0,
        version=newest.version,
        price="13.00",
        quantity=newest.quantity,
        trade_volume=newest.trade_volume,
    )
    assert judge(files, [*files.history, read]).findings == ()
    later = change(read, version=newest.version, price="12.5", sent_s=902.0, done_s=903.0)
    (finding,) = judge(files, [*files.history, read, later]).findings
    assert finding.invariant == "I7"


def test_a_history_is_read_from_its_file(files: ClusterFiles, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    header, *history = files.records()
    with contextlib.closing(HistoryWriter(path, header)) as writer:  # type: ignore[arg-type]
        for record in history:
            writer.write(record)
    verdict = audit(path, data=files.data, is_offline=True)
    assert verdict == judge(files)


@pytest.mark.parametrize(
    ("kind", "changes", "fault"),
    [
        ("trade", {"key": None}, "has no key"),
        ("trade", {"order_no": None}, "has no order_no"),
        ("trade", {"trade_type": "hold"}, "has the trade_type 'hold'"),
        ("trade", {"shares": 0}, "has the shares 0"),
        ("trade", {"done_s": 1.0}, "ends (1.0) before it begins"),
        ("order", {"stock_name": None}, "has no stock_name"),
    ],
)
def test_an_operation_that_cannot_be_judged_is_refused(
    files: ClusterFiles, kind: str, changes: dict[str, object], fault: str
) -> None:
    with pytest.raises(HistoryError, match=re.escape(fault)):
        judge(files, edit(files, kind, 17, **changes))


def test_damage_that_makes_reads_unjudgeable_is_a_gap_beside_its_finding(
    files: ClusterFiles,
) -> None:
    files.damage("catalog", "UPDATE catalog_app_entry SET trade_type = 'x' WHERE order_no = 17")
    verdict = judge(files)
    assert verdict.exit == exits.INCONSISTENT
    assert ["cannot be judged" in gap for gap in verdict.gaps] == [True]

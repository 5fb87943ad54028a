"""Damage to copies of the databases is found, named, and ends with exit status 3."""

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bazaar import topology
from bazaar.cluster import exits
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.loadtest.prove import audit
from bazaar.proof.files import LogFile
from bazaar.proof.sources import DamagedError, SourceError
from bazaar.proof.verdict import FINDINGS_MAX, Verdict
from tests.proof.cluster_files import NAMES, ORDERS, ClusterFiles
from tests.support.disks import SmallDisk

LEDGER, LOG, STOCK = "catalog_app_entry", "order_app_logentry", "catalog_app_stock"


def judge(files: ClusterFiles) -> Verdict:
    return audit(data=files.data, is_offline=True)


def test_sound_databases_keep_every_promise(files: ClusterFiles) -> None:
    verdict = judge(files)
    assert (verdict.findings, verdict.gaps, verdict.exit) == ((), (), exits.OK)
    assert verdict.counts["orders in the ledger"] == ORDERS
    assert [verdict.counts[f"orders in order-{n}"] for n in (1, 2, 3)] == [ORDERS] * 3
    assert verdict.counts["stocks"] == len(NAMES)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is wrong, and how it is told."""

    name: str
    statements: tuple[str, ...]
    invariant: str
    message: str
    order_no: int | None = None
    others: frozenset[str] = frozenset()
    """Promises that are broken as well."""


def case(name: str, *statements: str, told: str, **facts: object) -> Case:
    invariant, _, message = told.partition(": ")
    return Case(name, statements, invariant, message, **facts)  # type: ignore[arg-type]


_COPY = "SELECT {number}, {key}, stock_name, trade_type, quantity, {digest}, placed_by"
REPLICA_CASES = {
    "an order altered": case(
        *("order-2", f"UPDATE {LOG} SET quantity = 77 WHERE order_no = 17"),
        told=r"I1: order 17 is \w+ 77 .+ \(key .+\), but the ledger has \w+ \d+ .+ \(key .+\)",
        order_no=17,
    ),
    "an order in another name": case(
        *("order-1", f"UPDATE {LOG} SET placed_by = 'eve' WHERE order_no = 17"),
        told=r"I1: order 17 is .+, placed by eve\), but the ledger has \w+ \d+ .+ \(key [\w-]+\)",
        order_no=17,
    ),
    "an order of another stock": case(
        *("order-1", f"UPDATE {LOG} SET stock_name = 'NoSuchCo' WHERE order_no = 1"),
        told=r"I1: order 1 is \w+ \d+ NoSuchCo .+ but the ledger has",
        order_no=1,
    ),
    "an order removed": case(
        *("order-3", f"DELETE FROM {LOG} WHERE order_no = 17"),
        told=r"I1: order 17 of the ledger should be there, because later ones are",
        order_no=17,
    ),
    "orders removed": case(
        *("order-3", f"DELETE FROM {LOG} WHERE order_no BETWEEN 1 AND 9"),
        told=r"I1: orders 1 to 9 of the ledger should be there",
        order_no=1,
    ),
    "an order doubled under the next number": case(
        "order-2",
        f"INSERT INTO {LOG} "
        + _COPY.format(number=ORDERS + 1, key="key", digest="digest")
        + f" FROM {LOG} WHERE order_no = 17",
        told=rf"I8: order {ORDERS + 1} is .+ but the ledger ends at {ORDERS}; "
        r"it has this key as order 17",
        order_no=ORDERS + 1,
    ),
    "an order doubled under its own number": case(
        *("order-2", f"INSERT INTO {LOG} SELECT * FROM {LOG} WHERE order_no = 17"),
        told="I1: order 17 is there 2 times",
        order_no=17,
    ),
    "a digest broken": case(
        *("order-2", f"UPDATE {LOG} SET digest = '{'0' * 64}' WHERE order_no = 17"),
        told=r"I8: the digest of order 17 is 000000000000\.\.\., but the ledger has \w{12}\.\.\.",
        order_no=17,
    ),
    "another order of orders": case(
        "order-1",
        f"UPDATE {LOG} SET order_no = CASE order_no WHEN 7 THEN 8 ELSE 7 END"
        " WHERE order_no IN (7, 8)",
        told=r"I1: order 7 is .+ but the ledger has .+; it has this key as order 8",
        order_no=7,
    ),
    "a term of its own": case(
        *("order-1", "UPDATE order_app_heardterm SET term = 9"),
        told=r"I6: it has heard of term 9, but the catalog is at term 2",
    ),
    "another leader of the term": case(
        *("order-1", "UPDATE order_app_heardterm SET leader = 1"),
        told=r"I6: it takes replica 1 for the leader of term 2, but the catalog has 3",
    ),
    "a number that is none": case(
        *("order-1", f"UPDATE {LOG} SET order_no = 'x' WHERE order_no = 17"),
        told=r"I3: the number of an order in .+order-1\.sqlite3 is 'x'",
    ),
}


@pytest.mark.parametrize("wrong", REPLICA_CASES.values(), ids=REPLICA_CASES.keys())
def test_damage_to_one_replica_is_named(files: ClusterFiles, wrong: Case) -> None:
    files.damage(wrong.name, *wrong.statements)
    verdict = judge(files)
    assert verdict.exit == exits.INCONSISTENT
    assert {finding.where for finding in verdict.findings} == {wrong.name}
    first = verdict.findings[0]
    assert (first.invariant, first.order_no) == (wrong.invariant, wrong.order_no)
    assert re.search(wrong.message, first.message), first.message


CATALOG_CASES = {
    "an order altered": case(
        *("catalog", f"UPDATE {LEDGER} SET quantity = quantity + 5 WHERE order_no = 17"),
        told=r"I8: the digest of order 17 is \w{12}\.\.\., but \w{12}\.\.\. follows from",
        order_no=17,
        others=frozenset({"I1", "I4"}),
    ),
    "an order removed": case(
        *("catalog", f"DELETE FROM {LEDGER} WHERE order_no = 17"),
        told=r"I1: order 17 is missing from the ledger, which has order 18",
        order_no=17,
        others=frozenset({"I4", "I8"}),
    ),
    "the last order removed": case(
        *("catalog", f"DELETE FROM {LEDGER} WHERE order_no = {ORDERS}"),
        told=r"I4: .+ has a trade volume of \d+, but \d+ follows",
        others=frozenset({"I8"}),
    ),
    "an order doubled": case(
        "catalog",
        f"INSERT INTO {LEDGER} SELECT {ORDERS + 1}, key, stock_name, trade_type, quantity, term,"
        f" digest, version, placed_by, NULL FROM {LEDGER} WHERE order_no = 17",
        told=rf"I2: key .+ was executed 2 times, as order 17 and order {ORDERS + 1}",
        order_no=ORDERS + 1,
        others=frozenset({"I4", "I7", "I8"}),
    ),
    "an order doubled under its own number": case(
        *("catalog", f"INSERT INTO {LEDGER} SELECT * FROM {LEDGER} WHERE order_no = 17"),
        told=r"I1: order 17 is in the ledger twice",
        order_no=17,
        others=frozenset({"I2", "I4", "I7", "I8"}),
    ),
    "a stock's quantity changed": case(
        *("catalog", f"UPDATE {STOCK} SET quantity = quantity - 1 WHERE name = 'MenhirCo'"),
        told=r"I4: MenhirCo has a quantity of \d+, but \d+ follows: it opened with 1000, and",
    ),
    "a stock's volume changed": case(
        *("catalog", f"UPDATE {STOCK} SET trade_volume = 0 WHERE name = 'MenhirCo'"),
        told=r"I4: MenhirCo has a trade volume of 0, but \d+ follows: \d+ were bought and \d+ sold",
    ),
    "more than was issued": case(
        *("catalog", f"UPDATE {STOCK} SET issued = 900 WHERE name = 'MenhirCo'"),
        told=r"I4: MenhirCo has a quantity of \d+, which is not from 0 to the 900 issued",
    ),
    "a stock's version set back": case(
        *("catalog", f"UPDATE {STOCK} SET version = 2 WHERE name = 'MenhirCo'"),
        told=r"I7: MenhirCo is at version 2, but its \d+ trades have made \d+",
    ),
    "a stock that is gone": case(
        *("catalog", f"DELETE FROM {STOCK} WHERE name = 'MenhirCo'"),
        told=r"I4: order \d+ is no trade that can be: \w+ \d+ MenhirCo",
    ),
    "a quantity that is none": case(
        *("catalog", f"UPDATE {STOCK} SET quantity = 'many' WHERE name = 'MenhirCo'"),
        told=r"I4: MenhirCo has a number that is none, among 'many'",
    ),
    "a digest broken": case(
        *("catalog", f"UPDATE {LEDGER} SET digest = '' WHERE order_no = 17"),
        told=r"I8: the digest of order 17 is \.\.\.",
        order_no=17,
    ),
    "a version made twice": case(
        *("catalog", f"UPDATE {LEDGER} SET version = 1 WHERE order_no = 30"),
        told=r"I7: order 30 made version 1 of .+, but order \d+ made \d+",
        order_no=30,
    ),
    "an old term": case(
        *("catalog", f"UPDATE {LEDGER} SET term = 1 WHERE order_no = 30"),
        told=r"I5: order 30 is of term 1, after an order of term 2",
        order_no=30,
    ),
    "a term that has not begun": case(
        *("catalog", f"UPDATE {LEDGER} SET term = 3 WHERE order_no = {ORDERS}"),
        told=r"I5: the ledger has orders of term 3, but the current term is 2",
    ),
    "a database that is none": case("catalog", told="I3: the database .+ cannot be read: "),
}


@pytest.mark.parametrize("wrong", CATALOG_CASES.values(), ids=CATALOG_CASES.keys())
def test_damage_to_the_catalog_is_named(files: ClusterFiles, wrong: Case) -> None:
    if wrong.statements:
        files.damage(wrong.name, *wrong.statements)
    else:
        files.path(wrong.name).write_bytes(b"no database at all, whatever it is called" * 100)
    verdict = judge(files)
    assert verdict.exit == exits.INCONSISTENT
    told = [one for one in verdict.findings if re.search(wrong.message, one.message)]
    assert told, verdict.sentences
    assert (told[0].where, told[0].invariant) == ("catalog", wrong.invariant)
    assert wrong.order_no in (None, told[0].order_no)
    assert {one.invariant for one in verdict.findings} >= wrong.others


def test_an_oversold_moment_is_found_though_it_was_made_good(tmp_path: Path) -> None:
    """I4 speaks of every committed state, not only of the last."""
    files = ClusterFiles(tmp_path, issued=4000)
    assert judge(files).exit == exits.OK
    files.damage(
        "catalog",
        f"UPDATE {LEDGER} SET quantity = quantity + 5000 WHERE order_no = 17",
        f"UPDATE {LEDGER} SET stock_name = (SELECT stock_name FROM {LEDGER} WHERE order_no = 17),"
        " trade_type = (SELECT CASE trade_type WHEN 'buy' THEN 'sell' ELSE 'buy' END"
        f" FROM {LEDGER} WHERE order_no = 17), quantity = quantity + 5000 WHERE order_no = 18",
    )
    messages = [one.message for one in judge(files).findings if one.invariant == "I4"]
    assert any("after order 17 the catalog held" in message for message in messages), messages


def test_a_replica_that_is_behind_keeps_every_promise(files: ClusterFiles) -> None:
    """I8: a prefix is all that a log must be."""
    files.damage("order-1", f"DELETE FROM {LOG} WHERE order_no > 30")
    files.damage("order-2", f"DELETE FROM {LOG}")
    verdict = judge(files)
    assert (verdict.findings, verdict.exit) == ((), exits.OK)
    assert verdict.counts["orders that order-1 is behind"] == ORDERS - 30
    assert verdict.counts["orders that order-2 is behind"] == ORDERS


def test_much_damage_is_reported_in_few_sentences(files: ClusterFiles) -> None:
    files.damage("order-1", f"UPDATE {LOG} SET quantity = quantity + 1")
    verdict = judge(files)
    assert len(verdict.findings) == FINDINGS_MAX + 1
    assert verdict.findings[-1].message == (
        f"there are {ORDERS - FINDINGS_MAX} more findings of this promise"
    )


def test_pages_make_no_difference(tmp_path: Path) -> None:
    """Damage on both sides of a chunk's end, and at the ends of everything."""
    files = ClusterFiles(tmp_path / "data", orders=5_050)
    for number in (1, 4999, 5000, 5001, 5_050):
        files.damage("order-1", f"UPDATE {LOG} SET quantity = 99 WHERE order_no = {number}")
    files.damage("order-2", f"DELETE FROM {LOG} WHERE order_no BETWEEN 4990 AND 5010")
    files.damage("order-3", f"INSERT INTO {LOG} VALUES (5051, 'x', 'y', 'buy', 1, 'z', NULL)")
    findings = judge(files).findings
    found = [one.order_no for one in findings if one.where == "order-1"]
    assert found == [1, 4999, 5000, 5001, 5_050]
    (missing,) = [one for one in findings if one.where == "order-2"]
    assert missing.message.startswith("orders 4990 to 5010 of the ledger")
    (beyond,) = [one for one in findings if one.where == "order-3"]
    assert "but the ledger ends at 5050" in beyond.message


def test_a_missing_replica_is_a_gap_and_not_a_finding(files: ClusterFiles) -> None:
    files.path("order-2").unlink()
    assert judge(files).exit == exits.OK, "nobody says that there should be one"
    (files.data.root / "cluster.toml").write_text(topology.dump(topology.local(3)))
    verdict = judge(files)
    assert verdict.exit == exits.UNREACHABLE
    assert verdict.gaps == (f"order-2 has no database at {files.path('order-2')}.",)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\xff" * 5000, b"x" * 9000])
def test_a_database_that_is_none_is_a_finding(files: ClusterFiles, content: bytes) -> None:
    files.path("order-2").write_bytes(content)
    (finding,) = judge(files).findings
    assert (finding.where, finding.invariant) == ("order-2", "I3")
    assert "cannot be read" in finding.message


def test_a_folder_without_a_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="There is no database of a catalog"):
        audit(data=DataDir(tmp_path), is_offline=True)


def test_what_is_not_checkpointed_yet_is_read_too(files: ClusterFiles) -> None:
    """In WAL the newest orders are beside the file."""
    with closing(sqlite3.connect(files.path("order-1"))) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"UPDATE {LOG} SET quantity = 99 WHERE order_no = {ORDERS}")
        database.commit()
        assert files.path("order-1").with_name("order-1.sqlite3-wal").stat().st_size > 0
        assert [one.order_no for one in judge(files).findings] == [ORDERS]


def test_an_audit_changes_nothing(files: ClusterFiles) -> None:
    before = {path.name: path.read_bytes() for path in files.data.root.iterdir()}
    judge(files)
    assert {path.name: path.read_bytes() for path in files.data.root.iterdir()} == before


def test_a_disk_that_fails_is_not_called_damage(files: ClusterFiles, tmp_path: Path) -> None:
    """Its journal is there, and its index cannot be made: the disk is full."""
    with SmallDisk(tmp_path / "disk", 2**20) as disk:
        path = files.path("order-2")
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("UPDATE order_app_heardterm SET term = term + 1")
            for ending in ("", "-wal"):
                shutil.copy(f"{path}{ending}", f"{disk.path / path.name}{ending}")
        disk.fill()
        with pytest.raises(SourceError, match="cannot be read: disk I/O error") as caught:
            LogFile("order-2", disk.path / path.name)
        assert not isinstance(caught.value, DamagedError)

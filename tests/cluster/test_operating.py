"""docs/OPERATING.md is true: its commands print what it says (I3, I11)."""

from pathlib import Path

import pytest

from tests.cluster.operating import PAGE, is_same, read_steps, run_page, shape

SECTIONS = (
    *("Back up", "One replica is lost", "All replicas are lost", "The catalog is lost"),
    *("Catalog and leader are lost", "Everything but a backup is lost"),
)


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_every_command_of_the_page_prints_what_the_page_says(tmp_path: Path) -> None:
    steps = read_steps(PAGE.read_text(encoding="utf-8"))
    assert len(steps) > 20
    differences = [step.find_difference(lines) for step, lines in run_page(steps, tmp_path)]
    assert "".join(differences) == "", "\n\n".join(filter(None, differences))


def test_every_loss_has_its_commands() -> None:
    text = PAGE.read_text(encoding="utf-8")
    parts = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert {name: len(read_steps(parts[name])) > 1 for name in SECTIONS} == dict.fromkeys(
        SECTIONS, True
    )


def test_what_changes_from_run_to_run_is_not_compared() -> None:
    assert is_same(["order-1 started (pid 7)"], ["order-1 started (pid 4711)"])
    assert is_same(["healthy: order-3 leads, term 1"], ["healthy: order-2 leads, term 4"])
    assert is_same(["a", "...", "21:10:00 up"], ["a", "b", "c", "03:59:59 up"])
    assert shape(f"digest      {'0a' * 32}") == "digest      DIGEST"
    assert shape("/backups/catalog-000000474-c181ea670fc7.sqlite3") == (
        "/backups/catalog-000000474-DIGEST.sqlite3"
    )


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        (["last order  5"], ["last order  6"]),
        (["healthy: order-3 leads, term 1"], ["degraded: order-3 leads, term 1"]),
        (["order-1 stopped"], ["order-2 stopped"]),
        (["a", "...", "c"], ["a"]),
        (["a", "...", "c"], ["a", "b"]),
        (["a"], []),
    ],
)
def test_another_output_is_seen(page: list[str], lines: list[str]) -> None:
    """A check that cannot fail is a defect."""
    assert not is_same(page, lines)


def test_commands_and_what_they_print_are_read_from_blocks_only() -> None:
    text = "$ no\n```\n$ one\na\nb\n$ two\n```\nx\n<!-- order-3 leads -->\n```\n$ three\n```\n"
    steps = [(step.command, step.place, step.leader, step.printed) for step in read_steps(text)]
    assert steps == [
        ("one", 3, "", ["a", "b"]),
        ("two", 6, "", []),
        ("three", 11, "order-3", []),
    ]

"""Plots are files that stand alone, and colours that can be seen."""

import xml.etree.ElementTree as ET
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from bazaar.loadtest.report.drawing import write_png, write_svg
from bazaar.loadtest.report.episodes import list_episodes
from bazaar.loadtest.report.figures import draw_throughput, list_figures
from bazaar.loadtest.report.theme import DARK, LIGHT, Theme
from bazaar.proof.records import Mark
from tests.loadtest.report.summaries import MARKS, summary

TEXT_CONTRAST = 4.5
LINE_CONTRAST = 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11."""


def test_a_drawing_is_written_as_svg_with_both_themes(tmp_path: Path) -> None:
    path = tmp_path / "throughput.svg"
    write_svg(partial(draw_throughput, summary()), path)
    text = path.read_text()
    assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own
    assert "prefers-color-scheme: dark" in text
    assert "var(--trade)" in text


def test_a_drawing_is_written_the_same_twice(tmp_path: Path) -> None:
    """So that a plot that did not change is no change."""
    for name in ("one.svg", "two.svg"):
        write_svg(partial(draw_throughput, summary()), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_drawing_is_written_as_png(tmp_path: Path) -> None:
    path = tmp_path / "throughput.png"
    write_png(partial(draw_throughput, summary()), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_nothing() -> None:
    assert list_figures(summary(series=(), samples=(), operations={})) == []


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_stands_out_from_the_paper(theme: Theme) -> None:
    for name, colour in asdict(theme).items():
        if name not in ("paper", "line"):
            wanted = TEXT_CONTRAST if name in ("ink", "soft", "fault") else LINE_CONTRAST
            assert contrast(colour, theme.paper) >= wanted, name


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_black_on_white_is_the_highest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


# Faults as episodes


def test_a_fault_lasts_until_all_is_well() -> None:
    killed, catalog = list_episodes(MARKS)
    assert (killed.at_s, killed.until_s, killed.label) == (3.0, 5.5, "kill-leader (order-3)")
    assert [mark.target for mark in killed.elections] == ["order-2"]
    assert (catalog.until_s, catalog.label) == (None, "kill-catalog")
    assert catalog.ends_at(10.0) == 10.0


def test_an_election_without_a_fault_belongs_to_none() -> None:
    marks = [*MARKS[:3], Mark(at_s=6.0, what="elected", target="order-3", term=3)]
    (killed,) = list_episodes(marks)
    assert len(killed.elections) == 1


def test_what_could_not_be_healed_ends_too() -> None:
    marks = [MARKS[0], Mark(at_s=40.0, what="not healed", target="order-3", term=2)]
    assert list_episodes(marks)[0].until_s == 40.0

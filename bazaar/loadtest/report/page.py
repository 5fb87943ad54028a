"""
One run as one HTML page without script, font or link.

The page follows the reader's wish for light or dark, and so do its plots.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.template import Context, Engine
from django.utils.safestring import mark_safe

from bazaar.cluster import exits
from bazaar.loadtest.report.episodes import Episode, list_episodes
from bazaar.loadtest.report.theme import style_sheet
from bazaar.loadtest.summary import NAMES, TIMES, OperationSummary, Summary

FINDINGS_MAX = 200
"""Sentences of a failed proof on the page; the rest is counted."""


def render(summary: Summary) -> str:
    """Return the page."""
    engine = Engine(dirs=[str(Path(__file__).parent)])
    return str(engine.get_template("report.html").render(Context(_facts(summary))))


def _facts(summary: Summary) -> dict[str, Any]:
    findings = summary.proof or ()
    counts = ", ".join(f"{name} {count:,}" for name, count in summary.proof_counts.items())
    return {
        "style_sheet": _trusted(style_sheet()),
        "started": summary.started,
        "duration": f"{summary.duration_s:,.0f} s",
        "warmup": f"{summary.warmup_s:g} s" if summary.warmup_s else "",
        "verdict": f"{summary.verdict.capitalize()}.",
        "is_bad": summary.exit != exits.OK,
        "facts": _headline(summary),
        "operation_heads": ("count", "per second", *TIMES),
        "operations": [
            (NAMES[kind], _row(one), _errors(one)) for kind, one in summary.operations.items()
        ],
        "thresholds": [
            (one.text, "nothing" if one.measured is None else f"{one.measured:,.3g}", one.is_met)
            for one in summary.thresholds
        ],
        "is_proven": summary.proof is not None,
        "finding_count": f"{len(findings):,}",
        "proof": findings[:FINDINGS_MAX],
        "proof_left": max(0, len(findings) - FINDINGS_MAX),
        "proof_gaps": summary.proof_gaps,
        "proof_counts": counts,
        "notes": summary.notes,
        "figures": _figures(summary),
        "episodes": [_episode(one) for one in list_episodes(summary.marks)],
        "options": [(name, _plain(value)) for name, value in summary.options.items()],
    }


def _figures(summary: Summary) -> list[tuple[str, str, str]]:
    """Return name, title and picture of each plot."""
    # Here, for matplotlib takes two seconds to be imported, and most runs draw nothing.
    from bazaar.loadtest.report.drawing import inline_svg  # noqa: PLC0415
    from bazaar.loadtest.report.figures import list_figures  # noqa: PLC0415

    return [
        (name, title, _trusted(inline_svg(drawing, name, title)))
        for name, title, drawing in list_figures(summary)
    ]


def _trusted(markup: str) -> str:
    """Let our own markup stand as it is; whatever a run brought in is escaped by now."""
    return mark_safe(markup)  # noqa: S308 - made by us, from numbers and escaped words


def _headline(summary: Summary) -> list[tuple[str, str]]:
    found = [
        ("operations", f"{summary.count:,}"),
        ("answers a second", f"{summary.rate_per_s:,.0f}"),
        ("errors", f"{summary.error_count:,}"),
    ]
    if summary.hit_ratio is not None:
        found.append(("from memory", f"{summary.hit_ratio:.1%}"))
    if summary.longest_gap_s is not None:
        found.append(("longest gap between trades", f"{summary.longest_gap_s:.2f} s"))
    if summary.unsent:
        found.append(("due, but not begun", f"{summary.unsent:,}"))
    if faults := len(list_episodes(summary.marks)):
        found.append(("faults", str(faults)))
    found.append(("failovers", str(summary.failovers)))
    return found


def _row(one: OperationSummary) -> list[str]:
    latencies = [f"{one.time_ms(name):,.2f}" if one.ok else "-" for name in TIMES]
    return [f"{one.count:,}", f"{one.rate_per_s:,.1f}", *latencies]


def _errors(one: OperationSummary) -> str:
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in one.errors.items())


def _episode(one: Episode) -> tuple[str, str, str, str, str]:
    elected = ", ".join(
        f"{mark.target} in term {mark.term} after {mark.at_s - one.at_s:.1f} s"
        for mark in one.elections
    )
    healed = "not healed" if one.until_s is None else f"{one.until_s - one.at_s:.1f} s"
    return f"{one.at_s:.1f} s", one.fault, one.target, elected, healed


def _plain(value: Any) -> str:
    """Return an option as somebody would type it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_plain, value))
        case Mapping():
            return json.dumps(value)
    return str(value)

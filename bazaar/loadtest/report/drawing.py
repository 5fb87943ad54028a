"""
Begin a figure in a theme, and turn it into SVG or PNG.

A drawing is a function that takes a theme and returns a figure. As SVG it is drawn once, in
variables: it follows the page around it, or brings both themes with it when it is a file.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bazaar.loadtest.report.theme import LIGHT, PLACES, Theme, style_sheet, with_variables

WIDTH_IN = 9.6
FONT_PT = 9.5
PNG_DPI = 120
FONTS = ["system-ui", "Segoe UI", "Helvetica Neue", "Arial", "DejaVu Sans"]
Drawing = Callable[[Theme], Figure]


@contextmanager
def _styled(theme: Theme) -> Iterator[None]:
    """Draw in a theme, with text as text."""
    style: Any = {
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "axes.edgecolor": theme.line,
        "xtick.color": theme.soft,
        "ytick.color": theme.soft,
        "grid.color": theme.line,
        "legend.labelcolor": theme.ink,
        "font.size": FONT_PT,
        "font.family": ["DejaVu Sans"],
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": "medium",
        "axes.titleweight": "bold",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.6,
        "legend.frameon": False,
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "bazaar",
    }
    with mpl.rc_context(style):
        yield


def panels(*heights_in: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of a panel for each height, one below the other, over one axis."""
    figure = Figure(figsize=(WIDTH_IN, sum(heights_in)), layout="constrained")
    grid = figure.subplots(len(heights_in), 1, sharex=True, squeeze=False, height_ratios=heights_in)
    return figure, list(grid[:, 0])


def inline_svg(drawing: Drawing, name: str, label: str) -> str:
    """
    Return a drawing as SVG for a page that has the themes' variables.

    name: makes the ids in it unique within the page. label: for those who cannot see it.
    """
    svg = with_variables(_svg(drawing, PLACES))
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def write_svg(drawing: Drawing, path: Path) -> None:
    """Write a drawing as a file that brings both themes with it. May raise OSError."""
    svg = with_variables(_svg(drawing, PLACES))
    head, tag, rest = svg.partition("<defs>")
    path.write_text(f"{head}<style>{style_sheet()}</style>{tag}{rest}", encoding="utf-8")


def write_png(drawing: Drawing, path: Path) -> None:
    """Write a drawing as a picture in the light theme. May raise OSError."""
    with _styled(LIGHT):
        drawing(LIGHT).savefig(path, format="png", dpi=PNG_DPI, metadata={"Software": None})


def _svg(drawing: Drawing, theme: Theme) -> str:
    out = io.StringIO()
    with _styled(theme):
        drawing(theme).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    # Measured with one font, shown with what the reader has: all of these are about as wide.
    return svg.replace("'DejaVu Sans'", ", ".join(f"'{font}'" for font in FONTS))

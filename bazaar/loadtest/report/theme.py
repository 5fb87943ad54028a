"""The colours of pages and plots, for light and for dark, and their names in CSS."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a page or plot, as CSS or matplotlib understands them."""

    paper: str
    ink: str
    soft: str
    """Words that explain."""
    line: str
    """Grids and frames."""
    query: str
    trade: str
    order: str
    fault: str
    other: str
    """A sixth colour, for what belongs to none of these."""

    def css(self) -> str:
        """Return the colours as CSS variables."""
        return " ".join(f"--{one.name}: {getattr(self, one.name)};" for one in fields(self))


# The three kinds differ in lightness too, so that they are told apart without seeing colours.
LIGHT = Theme(
    paper="#ffffff",
    ink="#1b1f24",
    soft="#59636e",
    line="#d5dae0",
    query="#0b5cad",
    trade="#c2410c",
    order="#0f8a6a",
    fault="#b4232a",
    other="#7c4dab",
)
DARK = Theme(
    paper="#12161c",
    ink="#e6eaf0",
    soft="#9aa5b1",
    line="#343c47",
    query="#6cb2f5",
    trade="#ff9a5c",
    order="#4fd1a5",
    fault="#ff7b80",
    other="#c39bf0",
)
# Colours that nothing else has: written into an SVG, each is then replaced by its variable.
PLACES = Theme(*(f"#0{n}a55{n}" for n in range(len(fields(Theme)))))


def style_sheet() -> str:
    """Return the CSS that sets all variables, dark where the reader prefers it."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {DARK.css()} }} }}"
    return f":root {{ color-scheme: light dark; {LIGHT.css()} }}\n{dark}"


def with_variables(svg: str) -> str:
    """Replace the colours of PLACES by variables."""
    for one in fields(Theme):
        svg = svg.replace(getattr(PLACES, one.name), f"var(--{one.name})")
    return svg

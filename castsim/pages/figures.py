"""House style of figures, and figures as bytes: the same figure, the same bytes, anywhere.

Whoever's matplotlibrc, no pyplot, no dates. Colours are those of Okabe & Ito (2008), which
people with any colour vision tell apart; lines differ in their dashes as well.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f27"
"""Of text, axes and frames; in a page it becomes the colour of the page's text."""
PAPER = "#fffffe"
"""Behind words on hatching; in a page it becomes the colour of the page."""
SHADE = "#808690"
"""Of what lies behind: windows and marks."""
BLUE, SKY, GREEN, YELLOW = "#0072b2", "#56b4e9", "#009e73", "#f0e442"
ORANGE, VERMILION, PURPLE = "#e69f00", "#d55e00", "#cc79a7"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 2, 1, 2)), (0, (1.2, 1.4)), (0, (9, 3)))
ARMS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
"""Colours of the arms of a comparison, in order."""
DPI = 150

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": SHADE,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "castsim",
    "text.parse_math": False,  # a title may hold a dollar sign
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
}
Draw = Callable[["Figure"], None]
"""Draws on an empty figure."""


def figure_of(draw: Draw, width_in: float, height_in: float) -> "Figure":
    """Draw a figure in the house style, without writing it."""
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        draw(figure)
    return figure


def png(draw: Draw, width_in: float, height_in: float) -> bytes:
    """A figure as a PNG file."""
    sink = io.BytesIO()
    with _style():
        figure = figure_of(draw, width_in, height_in)
        figure.savefig(sink, format="png", dpi=DPI, metadata={"Software": None})
    return sink.getvalue()


def svg(draw: Draw, width_in: float, height_in: float) -> bytes:
    """A figure as an SVG file, texts as outlines."""
    sink = io.BytesIO()
    with _style():
        figure = figure_of(draw, width_in, height_in)
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return sink.getvalue()


def inline_svg(draw: Draw, width_in: float, height_in: float, *, name: str, label: str) -> str:
    """A figure as an element of a page: takes on its ink, paper and width, and names no address.

    Parameters
    ----------
    name : unique in the page; all ids begin with it
    label : what a screen reader says, escaped already
    """
    sink = io.StringIO()
    with _style(texts="none"):
        figure = figure_of(draw, width_in, height_in)
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    text = sink.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    inner = text[text.index("<metadata>") : text.rindex("</svg>")] if box else ""
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inner, flags=re.S)
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r'(url\(|href=")#', rf"\1#{name}-", inner).replace("xlink:href", "href")
    inner = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", inner)
    inner = re.sub(
        r">\s+<", "><", inner.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    )
    return f'<svg role="img" aria-label="{label}" viewBox="{box[1] if box else ""}">{inner}</svg>'


def disclaim(figure: "Figure", caption: str) -> None:
    """Write below a picture how to read it, and what it is not."""
    figure.supxlabel(f"{caption}\n{DISCLAIMER}", fontsize=8.5, color=INK)


def shade(axes: "Axes", stretch: Sequence[float]) -> None:
    """Mark a stretch of volumes."""
    axes.axvspan(stretch[0], stretch[1], color=SHADE, alpha=0.18, linewidth=0.0, zorder=0)


def label_ends(axes: "Axes", ends: Sequence[tuple[str, float, str]], *, gap: float) -> None:
    """Name lines at their right ends, apart from each other by `gap` at least.

    Parameters
    ----------
    ends : text, height of the line's end, its colour
    gap : in units of the vertical axis
    """
    low, high = axes.get_ylim()
    beside = axes.get_yaxis_transform()
    ordered = sorted(ends, key=lambda end: end[1])
    heights = spread([height for _, height, _ in ordered], gap, low, high)
    for (text, height, colour), place in zip(ordered, heights, strict=True):
        axes.annotate(
            text,
            xy=(1.0, height),
            xycoords=beside,
            xytext=(1.06, place),
            textcoords=beside,
            va="center",
            fontsize=8.5,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 1.4,
                "shrinkA": 0.0,
                "shrinkB": 0.0,
                "relpos": (0.0, 0.5),
            },
        )


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move rising `heights` apart to `gap`, no more than needed, and keep them in low … high.

    >>> spread([0.0, 0.5, 10.0], 2.0, 0.0, 10.0)
    [0.0, 2.0, 10.0]
    >>> spread([9.0, 10.0], 2.0, 0.0, 10.0)
    [8.0, 10.0]
    """
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else max(height, low))
    top = high
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], top)
        top = placed[k] - gap
    return placed


@contextmanager
def _style(*, texts: str = "path") -> Iterator[None]:
    """Set `STYLE` for a while; `texts` of an SVG are outlines (path) or texts (none)."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        style: Any = STYLE | {"svg.fonttype": texts}
        matplotlib.rcParams.update(style)
        yield

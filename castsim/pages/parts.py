"""Parts that the pages of plans, comparisons and casts are put together from.

A page is one file that asks nothing of the network: no script, pictures in the text.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from castsim.pages.figures import Draw, inline_svg
from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def page(title: str, body: Iterable[str]) -> str:
    """Put a page together from its parts, which are HTML already."""
    fill = {"title": escape(title), "body": "\n".join(body), "disclaimer": escape(DISCLAIMER)}
    text = (resources.files("castsim") / "data" / "report.html").read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda name: fill[name[1]], text)


def chart(
    draw: Draw,
    size_in: tuple[float, float],
    *,
    name: str,
    title: str,
    below: str,
    wide: bool = False,
) -> str:
    """A picture with its caption; sizes as on a phone, so that its texts can be read there."""
    picture = inline_svg(draw, *size_in, name=name, label=escape(title))
    return _figure(picture, below, wide)


def panel(
    draw: Callable[["Axes"], None],
    size_in: tuple[float, float],
    *,
    name: str,
    title: str,
    below: str = "",
    wide: bool = False,
) -> str:
    """A picture of one panel, see :func:`chart`."""
    return chart(
        lambda figure: draw(figure.add_subplot()),
        size_in,
        name=name,
        title=title,
        below=below,
        wide=wide,
    )


def photograph(jpeg: bytes, *, alt: str, below: str, wide: bool = False) -> str:
    """A picture that is an image already, with its caption."""
    data = base64.b64encode(jpeg).decode("ascii")
    image = f'<img src="data:image/jpeg;base64,{data}" alt="{escape(alt)}">'
    return _figure(image, below, wide)


def _figure(picture: str, below: str, wide: bool) -> str:
    """A picture with its caption; one with words that a phone is too narrow for scrolls there."""
    shown = f'<div class="scroll wide">{picture}</div>' if wide else picture
    caption = f"<figcaption>{escape(below)}</figcaption>" if below else ""
    return f"<figure>{shown}{caption}</figure>"


def paragraphs(texts: Iterable[str], kind: str) -> str:
    """A box with a paragraph a text; empty if there is none."""
    inner = "".join(f"<p>{escape(text)}</p>" for text in texts)
    return f'<div class="{kind}">{inner}</div>' if inner else ""


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str, caption: str = ""
) -> str:
    """A table of texts that are HTML already; the first column names the row.

    Of the kind ``cards`` every row is a card on a phone, each cell under the name of its column;
    all others hold numbers.
    """
    cards = "cards" in kind.split()
    side = "" if cards else ' class="n"'
    heads = "".join(f'<th scope="col"{side if k else ""}>{one}</th>' for k, one in enumerate(head))
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    lines = "".join(_row(head, row, cards) for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}">{title}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _row(head: Sequence[str], row: Sequence[str], cards: bool) -> str:
    cells = "".join(
        f'<td data-name="{re.sub("<[^>]*>", "", name)}">{cell}</td>'
        if cards
        else f'<td class="n">{cell}</td>'
        for name, cell in zip(head[1:], row[1:], strict=True)
    )
    return f'<tr><th scope="row">{row[0]}</th>{cells}</tr>'


def field_name(field: str) -> str:
    """Name of a field of the scenario, which breaks between its words if it must.

    >>> field_name("model.skin_yield_Pa")
    '<code>model.<wbr>skin_<wbr>yield_<wbr>Pa</code>'
    """
    words = re.sub("([._])", r"\1<wbr>", escape(field))
    return f"<code>{words}</code>"


def interval_cell(text: str) -> str:
    """A text such as ``1.2 [0.9 to 1.5]`` that breaks nowhere but before its interval."""
    estimate, bracket, interval = text.partition(" [")
    return f"<span>{estimate}</span>" + (f" <span>[{interval}</span>" if bracket else "")


def unit_after(unit: str) -> str:
    """Write a unit behind its number.

    >>> unit_after("mPa.s"), unit_after("mm2/s"), unit_after("uL/kPa"), unit_after("1")
    (' mPa·s', ' mm²/s', ' µL/kPa', '')
    """
    written = unit.replace(".", "·").replace("mm2", "mm²").replace("uL", "µL")
    return "" if unit == "1" else f" {written}"


def number(value: float) -> str:
    """Write a number with as many digits as it has, three at most.

    >>> number(0.0), number(1.0), number(0.745), number(38000.0), number(0.00030001)
    ('0', '1', '0.745', '38000', '0.0003')
    """
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if "e+" in text else text

"""Parts that the pages of plans, comparisons and casts are put together from.

A page is one file that asks nothing of the network: no script, pictures in the text.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from castsim.ensembles.figures import Draw, inline_svg
from castsim.ensembles.summary import percent
from castsim.ensembles.wording import number, without_numbers
from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Report = Mapping[str, Any]


def page(title: str, body: Iterable[str]) -> str:
    """Put a page together from its parts, which are HTML already."""
    fill = {"title": escape(title), "body": "\n".join(body), "disclaimer": escape(DISCLAIMER)}
    text = (resources.files("castsim") / "data" / "report.html").read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda name: fill[name[1]], text)


def chart(draw: Draw, size_in: tuple[float, float], *, name: str, title: str, below: str) -> str:
    """A picture with its caption; sizes as on a phone, so that its texts can be read there."""
    picture = inline_svg(draw, *size_in, name=name, label=escape(title))
    caption = f"<figcaption>{escape(below)}</figcaption>" if below else ""
    return f"<figure>{picture}{caption}</figure>"


def panel(
    draw: Callable[["Axes"], None],
    size_in: tuple[float, float],
    *,
    name: str,
    title: str,
    below: str = "",
) -> str:
    """A picture of one panel, see :func:`chart`."""
    return chart(
        lambda figure: draw(figure.add_subplot()), size_in, name=name, title=title, below=below
    )


def photograph(jpeg: bytes, *, alt: str, below: str) -> str:
    """A picture that is an image already, with its caption."""
    data = base64.b64encode(jpeg).decode("ascii")
    image = f'<img src="data:image/jpeg;base64,{data}" alt="{escape(alt)}">'
    return f"<figure>{image}<figcaption>{escape(below)}</figcaption></figure>"


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


def share_cell(share: Mapping[str, float]) -> str:
    """A share and its interval, which goes into a line of its own where there is little room."""
    return interval_cell(percent(_ends(share)))


def _ends(share: Mapping[str, float]) -> tuple[float, float, float]:
    return share["estimate"], share["low"], share["high"]


def interval_cell(text: str) -> str:
    """A text such as ``1.2 [0.9 to 1.5]`` that breaks nowhere but before its interval."""
    estimate, bracket, interval = text.partition(" [")
    return f"<span>{estimate}</span>" + (f" <span>[{interval}</span>" if bracket else "")


def failed(draws: Report, whose: str = "") -> str:
    """What failed, if anything did; `whose` arm, as HTML."""
    if not draws["failed"]:
        return ""
    count, asked = len(draws["failed"]), draws["asked"]
    text = (
        f"{count} of {asked} simulated patients could not be computed and count nowhere. If they "
        "failed for a reason that matters, the shares on this page are biased."
    )
    rows = ((str(one["draw"]), escape(one["error"])) for one in draws["failed"][:_SHOWN_FAILURES])
    more = count - _SHOWN_FAILURES
    rest = f"<p>and {more} more in plan.json</p>" if more > 0 else ""
    listed = table(("draw", "what went wrong"), rows, kind="cards")
    return (
        f'<section class="{"warn" if draws["told_first"] else "failures"}" >'
        f"<h2>Failed draws{whose and f': {whose}'}</h2><p>{text}</p>"
        f"{listed}{rest}</section>"
    )


_SHOWN_FAILURES = 20


def unreachable(draws: Report, whose: str = "") -> str:
    """In which patients it cannot be done and why, if there are any; `whose` arm, as HTML."""
    reasons: dict[str, list[int]] = {}
    for one in draws["unreachable"]:
        reasons.setdefault(without_numbers(one["reason"]), []).append(one["draw"])
    if not reasons:
        return ""
    text = (
        f"Of {draws['asked'] - len(draws['failed'])} random patients these lack a vein or a way "
        f"that the scenario names: {percent(_ends(draws['unreachable_share']))}. All chances are "
        "those of the others."
    )
    rows = (
        (str(len(found)), escape(why), _numbers(found))
        for why, found in sorted(reasons.items(), key=lambda one: -len(one[1]))
    )
    listed = table(("patients", "what is missing", "draws"), rows, kind="cards")
    return f"<section><h2>Not reached{whose and f': {whose}'}</h2><p>{text}</p>{listed}</section>"


def _numbers(found: Sequence[int]) -> str:
    more = len(found) - _SHOWN_FAILURES
    shown = ", ".join(map(str, found[:_SHOWN_FAILURES]))
    return f"{shown} and {more} more in the JSON file" if more > 0 else shown


def assumptions(report: Report) -> Iterator[str]:
    """What was drawn, from which source, what was held fixed, and what is left out."""
    groups: dict[str, list[Report]] = {}
    for one in report["assumptions"]:
        groups.setdefault(one["group"], []).append(one)
    yield "<h2>Assumptions</h2>"
    yield (
        "<p>Every simulated patient has an anatomy of their own, and one value of each of these. "
        "“estimate” means that nobody has measured it.</p>"
    )
    for group, members in groups.items():
        yield f"<h3>{escape(group.capitalize())}</h3>"
        yield assumptions_table(members)
    yield "<h3>What counts as covered, safe and likely</h3>"
    yield table(
        ("Criterion", "Value", "Source"),
        (
            (
                escape(one["meaning"]),
                escape(_value(one)),
                f'<span class="tag">{one["status"]}</span> {escape(one["source"])}',
            )
            for one in report["criteria"]
        ),
        kind="cards",
    )
    yield "<h2>What is not modelled</h2>"
    yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in report['not_modelled'])}</ul>"


def assumptions_table(members: Iterable[Report]) -> str:
    """What is drawn, from what, and why."""
    return table(
        ("Quantity", "Range (95 %)", "Source", "Reason"),
        (
            (
                f"{escape(one['meaning'])}<br>{field_name(one['field'])}",
                escape(range_of(one)),
                f'<span class="tag">{one["status"]}</span> {escape(one["source"])}',
                escape(one["reason"]),
            )
            for one in members
        ),
        kind="cards",
    )


def range_of(one: Report) -> str:
    """Write what a prior is: its range, or at what it was held."""
    if not one["drawn"]:
        return f"not drawn: {one['held']}"
    unit = "" if one["unit"] == "1" else f" {one['unit']}"
    low, high = one["inner_range"]
    text = f"{number(low)} to {number(high)}"
    flat = one["distribution"] == "uniform"
    text = f"{text}{unit}" if flat else f"{number(one['median'])}{unit} ({text})"
    factor = "times what the scenario says, " if one["relative"] else ""
    cut = [
        f"{word} {number(one[key])}"
        for word, key in (("above", "minimum"), ("below", "maximum"))
        if one[key] is not None
    ]
    return f"{text}, {factor}{one['distribution']}" + (f", cut to {' and '.join(cut)}" * bool(cut))


def _value(one: Report) -> str:
    unit = "" if one["unit"] == "1" else f" {one['unit']}"
    changed = "" if one["value"] == one["default"] else f" (default {number(one['default'])}{unit})"
    return f"{number(one['value'])}{unit}{changed}"

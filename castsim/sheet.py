"""Words of a picture: heading, letters, scale bars, coverage of the root, colour bar, legend.

Laid out with Pillow about panels that are images already, so that every text can be measured
before it is written and none lies on another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import hypot
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from castsim.body_letters import edge_letters
from castsim.scene import DISCLAIMER, Part, Reading, Scene
from castsim.themes import Theme
from castsim.views import View

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, pixels."""
Area = tuple[float, float, float, float]
"""The same between pixels."""

UNIT_WIDTH, UNIT_HEIGHT = 1600.0, 1000.0
"""Size of a picture, pixels, for which letters and lines have the sizes given below."""
HEADING, FOOT, SIDE = 92, 36, 300
"""Height of heading and foot, width of the legend's column."""
LEAST_SIDE = 150
"""Pixels, of that column: the smallest letters need it."""
PAD = 18
TITLE, FACTS, BODY, SMALL = 30, 22, 19, 16
LEAST_LETTERS = 9
"""Height of the smallest letters that can be read, pixels."""
TALL_SHARE = 0.54
"""Of the width, for the first of three views; the others share the rest."""
SCALE_BARS_MM = (50.0, 20.0, 10.0, 5.0, 2.0, 1.0)
SCALE_BAR_SHARE = 0.3
"""Most of a view's width that its scale bar takes."""
RING, RING_WIDTH = 180, 26
"""Size of the ring of coverage."""
RING_SAMPLES = 4
BAR = 22
LITTLE_ML = 0.1
"""A scale that ends below it has three decimals."""
PATCH = 20
ASIDE = 0.0, -1.05, 1.05, -2.1, 2.1
"""Places for a word: how many of its lengths beside its own, a little more than what it takes."""
MEAN_SLANT = 1.6
"""Thickness of a veil's walls along the line of sight, on average, in that face on."""
PAPER_OPACITY = 0.62
"""Of the paper behind words, so that they can be read over veins."""
LINE = 29


@dataclass(frozen=True)
class Plan:
    """Where things lie on a sheet.

    Attributes
    ----------
    size : width and height, pixels
    unit : pixels of one length given above
    panels : boxes of the views
    side : box of the legend's column
    """

    size: tuple[int, int]
    unit: float
    panels: tuple[Box, ...]
    side: Box

    @classmethod
    def of(cls, size: tuple[int, int], views: int) -> "Plan":
        """Lay out one view, or three: one tall and two stacked beside it."""
        wide, high = size
        unit = min(wide / UNIT_WIDTH, high / UNIT_HEIGHT)
        top, bottom = round(HEADING * unit), high - round(FOOT * unit)
        edge = wide - max(round(SIDE * unit), LEAST_SIDE)
        panels: tuple[Box, ...] = ((0, top, edge, bottom),)
        if views > 1:
            cut, half = round(TALL_SHARE * edge), (top + bottom) // 2
            panels = ((0, top, cut, bottom), (cut, top, edge, half), (cut, half, edge, bottom))
        return cls(size, unit, panels[:views], (edge, top, wide, bottom))

    @property
    def panel_sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every panel, pixels."""
        return tuple((right - left, bottom - top) for left, top, right, bottom in self.panels)

    def aspect(self, panel: int) -> float:
        """Width over height of a panel."""
        left, top, right, bottom = self.panels[panel]
        return (right - left) / (bottom - top)


def sheet(
    scene: Scene,
    views: Sequence[View],
    panels: Sequence[Picture],
    plan: Plan,
    theme: Theme,
    headings: Sequence[tuple[str, str]] = (),
) -> Picture:
    """Picture (height, width, 3): the panels with all words about them.

    `headings`, facts and alarm each, are those of all pictures of a movie, in which the letters
    keep their size.
    """
    page = _Page(plan, theme)
    for view, image, box in zip(views, panels, plan.panels, strict=True):
        page.paste(image, box)
        page.annotate(scene, view, box)
    page.heading(scene, headings)
    page.side(scene)
    page.foot()
    return np.asarray(page.image)


@cache
def _font(pixels: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along, so that a picture is the same anywhere."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, pixels)


class _Page:
    """A sheet that is being written."""

    def __init__(self, plan: Plan, theme: Theme) -> None:
        self.plan, self.theme = plan, theme
        self.image = Image.new("RGB", plan.size, theme.card)
        self._draw = ImageDraw.Draw(self.image)
        self._taken: list[Area] = []

    def _px(self, length: float) -> int:
        return round(length * self.plan.unit)

    def _say(
        self,
        place: tuple[float, float],
        text: str,
        anchor: str,
        size: float,
        *,
        soft: bool = False,
        bold: bool = False,
    ) -> None:
        """Write in the legend's column, shortened where it is too narrow."""
        left, _, right, _ = self.plan.side
        font = self._letters(size, bold)
        room = right - left - 2 * self._px(PAD / 3)
        colour = self.theme.soft if soft else self.theme.ink
        self._draw.text(place, _fitted(text, font, room), fill=colour, font=font, anchor=anchor)

    def _letters(self, size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
        return _font(max(LEAST_LETTERS, self._px(size)), bold)

    def paste(self, image: Picture, box: Box) -> None:
        """Put a panel in its place and draw a line about it."""
        self.image.paste(Image.fromarray(image), box[:2])
        self._draw.rectangle((box[0] - 1, box[1], box[2], box[3]), outline=self.theme.rule)

    def heading(self, scene: Scene, others: Sequence[tuple[str, str]]) -> None:
        """Title and facts, in smaller letters where they are long here or in the `others`."""
        whole = self.plan.size[0] - 2 * self._px(PAD)
        facts = [scene.facts, *(one for one, _ in others)]
        room_of_others = [self._alarm(one) for _, one in others]
        beside = max([self._alarm(scene.alarm, write=True), *room_of_others])
        for text, all_texts, size, bold, top, room in (
            (scene.title, [scene.title], TITLE, True, 12, whole - beside),
            (scene.facts, facts, FACTS, False, 54, whole),
        ):
            sizes = (self._letters(one, bold) for one in range(size, SMALL - 1, -1))
            fitting = (font for font in sizes if max(map(font.getlength, all_texts)) <= room)
            font = next(fitting, self._letters(SMALL, bold))
            colour = self.theme.ink if bold else self.theme.soft
            self._draw.text(
                (self._px(PAD), self._px(top)), _fitted(text, font, room), fill=colour, font=font
            )

    def _alarm(self, words: str, *, write: bool = False) -> int:
        """What nobody may overlook, in the upper right corner; how much of the width it takes."""
        if not words:
            return 0
        font, pad = self._letters(FACTS, bold=True), self._px(8)
        place = (self.plan.size[0] - self._px(PAD) - pad, self._px(12 + TITLE / 2))
        x0, y0, x1, y1 = self._draw.textbbox(place, words, font=font, anchor="rm")
        if write:
            self._draw.rectangle((x0 - pad, y0 - pad, x1 + pad, y1 + pad), fill=self.theme.alarm)
            self._draw.text(place, words, fill=self.theme.paper, font=font, anchor="rm")
        return round(x1 - x0) + 3 * pad

    def foot(self) -> None:
        """What this is not."""
        place = (self._px(PAD), self.plan.size[1] - self._px(FOOT / 2))
        font = self._letters(SMALL)
        self._draw.text(place, DISCLAIMER, fill=self.theme.soft, font=font, anchor="lm")

    def annotate(self, scene: Scene, view: View, box: Box) -> None:
        """Write the letters of the body's sides, the scale bar, and names of vertebrae."""
        left, top, right, bottom = box
        self._taken = []
        middle, half = ((left + right) / 2, (top + bottom) / 2), (bottom - top) / 2
        per_mm = half / view.half_height
        self._scale_bar(view, box, per_mm)
        self._edges(view, box)
        across = np.stack([view.right, -view.up])
        deep = float((scene.tip - view.focus) @ view.towards_eye)
        if not -view.far <= deep <= view.cut:
            x, y = middle + per_mm * (across @ (scene.tip - view.focus))
            towards = edge_letters(np.sign(deep) * view.towards_eye)
            self._note(f"tip {abs(deep):.0f} mm towards {towards}", (x, y), "mm", SMALL, box)
        # seen from below the names of all vertebrae would lie in one place
        for label in scene.labels:
            if not (view.upright[2] or label.alarming):
                continue
            away = label.xyz - view.focus
            if not -view.far <= away @ view.towards_eye <= view.cut:
                continue
            x, y = middle + per_mm * (across @ away)
            if left < x < right and top < y < bottom:
                self._note(label.text, (x, y), "mm", SMALL, box, alarming=label.alarming)

    def _edges(self, view: View, box: Box) -> None:
        left, top, right, bottom = box
        pad = self._px(8)
        for towards, place, anchor in (
            (-view.right, (left + pad, (top + bottom) / 2), "lm"),
            (view.right, (right - pad, (top + bottom) / 2), "rm"),
            (view.up, ((left + right) / 2, top + pad), "mt"),
            (-view.up, ((left + right) / 2, bottom - pad), "mb"),
        ):
            self._note(edge_letters(towards), place, anchor, FACTS, box, bold=True)

    def _scale_bar(self, view: View, box: Box, per_mm: float) -> None:
        left, _, right, bottom = box
        most = SCALE_BAR_SHARE * (right - left) / per_mm
        length = next((mm for mm in SCALE_BARS_MM if mm < most), SCALE_BARS_MM[-1])
        x, y, thick = left + self._px(PAD), bottom - self._px(20), max(2, self._px(5))
        room = (right - left) / 2 - self._px(PAD + FACTS)  # the letter of an edge comes there
        words = _fitted(f"{length:g} mm · {view.name}", self._letters(SMALL), room)
        self._note(words, (x, y - self._px(8)), "lb", SMALL, box)
        end = round(x + length * per_mm) - 1
        self._draw.rectangle((x, y, end, y + thick - 1), fill=self.theme.ink)
        self._taken.append((x, y, end, y + thick))

    def _note(
        self,
        text: str,
        place: tuple[float, float],
        anchor: str,
        size: float,
        box: Box,
        *,
        bold: bool = False,
        alarming: bool = False,
    ) -> None:
        """Write on a panel, on a bit of paper, unless another word is there already.

        What is alarming goes beside that word, with a line to its place, or over it.
        """
        font = self._letters(size, bold)
        pad = self._px(3)
        x0, y0, x1, y1 = self._draw.textbbox(place, text, font=font, anchor=anchor)
        at = (x0 - pad, y0 - pad, x1 + pad, y1 + pad)
        areas = [
            (at[0] + right, at[1] + down, at[2] + right, at[3] + down)
            for right, down in (_aside(at) if alarming else [(0.0, 0.0)])
        ]
        areas = [area for area in areas if _inside(area, box)]
        free = [area for area in areas if not any(_overlap(area, one) for one in self._taken)]
        area = next(iter(free or (areas if alarming else [])), None)
        if area is None:
            return
        if area != at and alarming:
            self._draw.line((place, _middle(area)), fill=self.theme.alarm, width=max(1, pad // 2))
        place = place[0] + area[0] - at[0], place[1] + area[1] - at[1]
        self._taken.append(area)
        if alarming:
            self._draw.rectangle(area, fill=self.theme.alarm)
        else:
            _tint(self.image, area, self.theme.paper)
        ink = self.theme.paper if alarming else self.theme.ink
        self._draw.text(place, text, fill=ink, font=font, anchor=anchor)

    def side(self, scene: Scene) -> None:
        """Coverage of the root, colour bar, legend, one below the other."""
        left, top, right, bottom = self.plan.side
        self._draw.rectangle((left, top, right, bottom), fill=self.theme.card)
        self._draw.line((left, top, right, top), fill=self.theme.rule)
        self._draw.line((left, bottom, right, bottom), fill=self.theme.rule)
        y = top + self._px(14)
        if scene.reading is not None:
            y = self._coverage(scene.reading, scene, y)
            y = self._colour_bar(scene.reading, y)
        self._legend(scene.parts, y)

    def _coverage(self, reading: Reading, scene: Scene, y: int) -> int:
        """Ring about the root, seen from outside: thick where it is wrapped."""
        left, _, right, _ = self.plan.side
        centre = (left + right) // 2
        name = reading.root[0].upper() + reading.root[1:]
        self._say((centre, y), name, "ma", BODY, bold=True)
        letter = self._letters(SMALL, bold=True)
        y += round(self._letters(BODY).size + letter.size) + self._px(11)
        size = self._px(RING)
        self.image.paste(self._ring(reading, scene, size), (centre - size // 2, y))
        middle = y + size // 2
        self._draw.text(
            (centre, middle), f"{reading.covered_deg:.0f}°", fill=self.theme.ink,
            font=self._letters(32, bold=True), anchor="mm",
        )  # fmt: skip
        front, behind = ("A", "P") if scene.side > 0 else ("P", "A")
        gap = round(size + letter.size) // 2 + self._px(4)
        for text, x, at in (
            (behind, centre - gap, middle), (front, centre + gap, middle),
            ("S", centre, middle - gap), ("I", centre, middle + gap),
        ):  # fmt: skip
            self._draw.text((x, at), text, fill=self.theme.soft, font=letter, anchor="mm")
        y += size + round(letter.size) + self._px(10)
        words = f"wrapped, of {reading.coverable_deg:.0f}° at best"
        self._say((centre, y), words, "ma", SMALL, soft=True)
        return y + self._px(44)

    def _ring(self, reading: Reading, scene: Scene, size: int) -> Image.Image:
        """Root in the middle, and what wraps it, by arrival; 0 is cranial, positive anterior."""
        n = RING_SAMPLES * size
        ring = Image.new("RGB", (n, n), self.theme.card)
        draw = ImageDraw.Draw(ring)
        thick = RING_SAMPLES * self._px(RING_WIDTH)
        whole = (0, 0, n - 1, n - 1)
        draw.ellipse(whole, fill=self.theme.rule)
        # Pillow's angles run clockwise from the right; anterior lies there for a right root
        turn = 1.0 if scene.side > 0 else -1.0
        last = len(self.theme.scale) - 1
        # the latest first, so that of strands beside one another the earliest is seen
        for k in np.argsort(-reading.arrival, kind="stable"):
            ends = sorted(turn * np.degrees(reading.arcs[k]) - 90.0)
            colour = self.theme.scale[round(last * min(float(reading.arrival[k]), 1.0))]
            draw.pieslice(whole, ends[0], ends[1], fill=colour)
        hole = (thick, thick, n - 1 - thick, n - 1 - thick)
        draw.ellipse(hole, fill=self.theme.card)
        inner = round(1.45 * thick)
        draw.ellipse((inner, inner, n - 1 - inner, n - 1 - inner), fill=self.theme.root)
        core = inner + max(RING_SAMPLES, thick // 5)
        draw.ellipse((core, core, n - 1 - core, n - 1 - core), fill=self.theme.card)
        return ring.resize((size, size), Image.Resampling.LANCZOS)

    def _colour_bar(self, reading: Reading, y: int) -> int:
        """Scale of arrival, with a mark at the volume shown."""
        left, _, right, _ = self.plan.side
        start, end = left + self._px(PAD), right - self._px(PAD)
        self._say((start, y), "Cast, by arrival", "la", BODY, bold=True)
        y += self._px(30)
        ramp = np.array([_rgb(one) for one in self.theme.scale], dtype=np.uint8)
        index = np.linspace(0, len(ramp) - 1, end - start).round().astype(int)
        bar = np.repeat(ramp[index][None], self._px(BAR), axis=0)
        shown = min(reading.volume_mL / reading.last_mL, 1.0)
        mark = start + round(shown * (end - start))
        # what is still to come; faint colours would be others among the few of a GIF
        bar[:, mark - start :] = _rgb(self.theme.rule)
        self.image.paste(Image.fromarray(bar), (start, y))
        bottom = y + self._px(BAR)
        self._draw.line((mark, y - self._px(4), mark, bottom + self._px(4)), fill=self.theme.ink,
                        width=max(2, self._px(3)))  # fmt: skip
        digits = 2 if reading.last_mL >= LITTLE_ML else 3
        for share, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
            text = f"{share * reading.last_mL:.{digits}f}".rstrip("0").rstrip(".")
            place = (start + share * (end - start), bottom + self._px(8))
            self._say(place, text, anchor, SMALL)
        words = "mL injected when it came"
        self._say((start, bottom + self._px(32)), words, "la", SMALL, soft=True)
        return bottom + self._px(72)

    def _legend(self, parts: Sequence[Part], y: int) -> None:
        """Every colour with its name."""
        left, _, right, bottom = self.plan.side
        start, patch = left + self._px(PAD), self._px(PATCH)
        font = self._letters(BODY)
        rows = legend_rows(parts, self.theme.paper)
        step = min(self._px(LINE), (bottom - y) // max(len(rows), 1))
        for text, colour in rows:
            middle = y + step // 2
            area = (start, middle - patch // 2, start + patch, middle + patch // 2)
            self._draw.rectangle(area, fill=colour, outline=self.theme.soft)
            x = start + patch + self._px(10)
            words = _fitted(text, font, right - x - self._px(6))
            self._draw.text((x, middle), words, fill=self.theme.ink, font=font, anchor="lm")
            y += step


def legend_rows(parts: Sequence[Part], paper: str) -> list[tuple[str, str]]:
    """Name and colour of all that has one colour; a veil's as it looks on paper."""
    rows: list[tuple[str, str]] = []
    for part in parts:
        named = [(part.name, part.colour)]
        if part.paint is not None:
            named = list(zip(part.paint.names, part.paint.colours, strict=False))
        density = 1.0 - (1.0 - part.opacity) ** MEAN_SLANT
        rows += [(name, _mixed(paper, colour, density)) for name, colour in named]
    return rows


def _mixed(under: str, over: str, density: float) -> str:
    """Colour of one over the other."""
    pairs = zip(_rgb(under), _rgb(over), strict=True)
    return "#" + "".join(f"{round(a + density * (b - a)):02x}" for a, b in pairs)


def _fitted(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """The text, shortened where it is too long for the room."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _aside(area: Area) -> list[tuple[float, float]]:
    """Ways to the right and down, pixels, to places for a word, the shortest first."""
    wide, high = area[2] - area[0], area[3] - area[1]
    return sorted(
        product((wide * by for by in ASIDE), (high * by for by in ASIDE)),
        key=lambda way: hypot(*way),
    )


def _middle(area: Area) -> tuple[float, float]:
    return (area[0] + area[2]) / 2, (area[1] + area[3]) / 2


def _inside(area: Area, box: Box) -> bool:
    return box[0] <= area[0] < area[2] <= box[2] and box[1] <= area[1] < area[3] <= box[3]


def _overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _tint(image: Image.Image, area: Area, paper: str) -> None:
    """Lay thin paper on an area of a picture."""
    box = tuple(round(v) for v in area)
    under = image.crop((box[0], box[1], box[2], box[3]))
    sheet_of = Image.new("RGB", under.size, paper)
    image.paste(Image.blend(under, sheet_of, PAPER_OPACITY), (box[0], box[1]))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

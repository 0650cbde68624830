"""Files of simulated fluoroscopy: a PNG as on the monitor, with its words, and DICOM.

Greys are those of a C-arm's monitor: what attenuates is dark.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from castsim.body_letters import edge_letters
from castsim.fluoroscopy import Fluorogram, Mode, middle_of
from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FloatArray = NDArray[np.float64]
Picture = NDArray[np.uint8]

SUFFIXES = (".png", ".dcm")
BLACK_PERCENTILE, WHITE_PERCENTILE = 99.9, 0.1
"""Of the signal of an image that is not subtracted: what is shown black and white."""
WINDOW_MARGIN = 0.25
"""Share of that range by which what is white is set further off: the edges are brighter."""
SLOW_SHARE, COMPRESSION = 1 / 8, 0.7
"""Width of what changes slowly, as a share of the image's side, and how much of it is taken off."""
BACKGROUND_GREY: Mapping[Mode, float] = MappingProxyType({"subtracted": 0.80, "roadmap": 0.50})
"""Grey, 0 black to 1 white, where nothing changed since the mask."""
LEAST_RANGE = 0.35
"""Of the signal from the background to black, so that noise alone does not fill the image."""
SCALE_BARS_MM = (50.0, 20.0, 10.0, 5.0)
SCALE_BAR_SHARE = 0.3
"""Most of an image's side that the scale bar takes."""
TEXT_SHARE, MARGIN_SHARE = 1 / 44, 1 / 50
"""Height of the letters and margin, as shares of the image's side."""
RIM_SHARE = 1 / 12
"""Width of the letters' rim, as a share of an M; a wider one fills them."""
LIGHT_FROM = 0.6
"""Median grey, 0 black to 1 white, from which the words of an image are dark."""
WARNING = f"Simulated. {DISCLAIMER}"
LEAST_LETTERS = 10.0
"""Pixels of their height."""
TITLE_SHARE = 0.65
"""Most of the image's width that its title takes; the facts stand beside it."""
TITLES = {0.0: "AP", 90.0: "LEFT LATERAL", -90.0: "RIGHT LATERAL", 30.0: "LAO 30", -30.0: "RAO 30"}
"""By the angle of the detector: a left lateral view has it on the patient's left."""


@dataclass(frozen=True)
class Caption:
    """Words in the picture.

    Attributes
    ----------
    title : what it shows
    facts : more lines
    contrast : contrast medium that was given, for DICOM
    """

    title: str
    facts: str = ""
    contrast: str = ""


def window(image: Fluorogram) -> tuple[float, float]:
    """Signal that is shown black, and that which is shown white."""
    if image.mode == "unsubtracted":
        ends = np.percentile(middle_of(image.signal), [BLACK_PERCENTILE, WHITE_PERCENTILE])
        black, white = (float(end) for end in ends)
        return black, white - WINDOW_MARGIN * (black - white)
    black = max(float(np.percentile(image.signal, BLACK_PERCENTILE)), LEAST_RANGE)
    return black, black * (1.0 - 1.0 / BACKGROUND_GREY[image.mode])


def grey(image: Fluorogram) -> FloatArray:
    """Brightness (rows, columns), 0 black to 1 white, as a monitor would show it."""
    if image.mode == "unsubtracted":
        image = replace(image, signal=compressed(image.signal))
    black, white = window(image)
    return np.asarray(np.clip((black - image.signal) / (black - white), 0.0, 1.0))


def compressed(signal: FloatArray) -> FloatArray:
    """Even out what changes slowly over the image, as monitors of C-arms do, to show all."""
    from scipy.ndimage import gaussian_filter

    slow = gaussian_filter(signal, SLOW_SHARE * len(signal), mode="nearest")
    return np.asarray(signal - COMPRESSION * slow)


def picture(image: Fluorogram, caption: Caption) -> Picture:
    """The image as on the monitor, (rows, columns), with its words."""
    from PIL import Image, ImageDraw

    greys = grey(image)
    shown = Image.fromarray(np.rint(255 * greys).astype(np.uint8))
    side = image.beam.pixels
    font = letters(side)
    pen = _Pen(ImageDraw.Draw(shown), font, dark=bool(np.median(greys) > LIGHT_FROM))
    margin = MARGIN_SHARE * side
    head = f"{TITLES[image.beam.angle_deg]}, {image.mode}"
    title = _fitted(caption.title, font, TITLE_SHARE * side)
    pen.write((margin, margin), "la", f"{title}\n{head}")
    pen.write((side - margin, margin), "ra", caption.facts)
    pen.write((margin, side / 2), "lm", edge_letters(-image.beam.right))
    pen.write((side - margin, side / 2), "rm", edge_letters(image.beam.right))
    # between the lines of words above and below
    pen.write((side / 2, margin + 3 * letter_height(side)), "ma", "S")
    pen.write((side / 2, side - margin - 1.5 * letter_height(side)), "md", "I")
    pen.write((side - margin, side - margin), "rd", WARNING)
    pen.scale_bar(image, margin)
    return np.asarray(shown)


def letter_height(side: int) -> float:
    """Height of the letters, pixels, in an image of so many a side."""
    return max(LEAST_LETTERS, TEXT_SHARE * side)


def letters(side: int) -> "Font":
    """Letters of that height."""
    from PIL import ImageFont

    return ImageFont.load_default(letter_height(side))


def _fitted(text: str, font: "Font", width: float) -> str:
    """`text`, or as much of it as is no wider."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass(frozen=True)
class _Pen:
    """Writes on an image: dark on a light one, else light, with a rim to be read on any grey."""

    draw: "ImageDraw.ImageDraw"
    font: "Font"
    dark: bool

    @property
    def ink(self) -> int:
        return 0 if self.dark else 255

    @property
    def rim(self) -> int:
        return 255 - self.ink

    def write(self, place: tuple[float, float], anchor: str, text: str) -> None:
        align = "right" if anchor[0] == "r" else "left"
        width = max(1, round(RIM_SHARE * self.font.getlength("M")))
        self.draw.multiline_text(
            place, text, fill=self.ink, font=self.font, anchor=anchor, align=align,
            stroke_width=width, stroke_fill=self.rim,
        )  # fmt: skip

    def scale_bar(self, image: Fluorogram, margin: float) -> None:
        """Draw a length at the isocentre; nearer to the source the same length is longer."""
        side = image.beam.pixels
        per_mm = image.beam.magnification / image.beam.pitch_mm
        length = next(
            (mm for mm in SCALE_BARS_MM if mm * per_mm < SCALE_BAR_SHARE * side), SCALE_BARS_MM[-1]
        )
        y, thick = side - margin, max(2, round(side / 300))
        end = margin + length * per_mm
        self.draw.rectangle((margin - 1, y - thick - 1, end + 1, y + 1), fill=self.rim)
        self.draw.rectangle((margin, y - thick, end, y), fill=self.ink)
        self.write((margin, y - 2 * thick), "ld", f"{length:g} mm at the isocentre")


def image_bytes(image: Fluorogram, caption: Caption, path: Path) -> None:
    """Write the image in the format that the name of the file asks for."""
    if path.suffix.lower() == ".dcm":
        from castsim.fluoroscopy_dicom import dicom_bytes

        dicom_bytes(image, caption, path)
        return
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Software", "castsim")
    words.add_text("Description", f"{caption.title}. Simulated fluoroscopy. {DISCLAIMER}")
    Image.fromarray(picture(image, caption)).save(path, format="PNG", pnginfo=words)

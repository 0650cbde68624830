"""Draw docs/cast.png, the picture of the README, and docs/gallery.jpg, a sheet of scenarios.

Run from the repository: ``python -m benchmarks.gallery``.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import castsim
from castsim import graphics
from castsim.rendering import OVERVIEW, picture
from castsim.still import Still
from castsim.themes import THEMES

DOCS = Path(__file__).resolve().parents[1] / "docs"
COVER = "right-t9"
SHEET = (
    ("right-t9", "right-t9-segmental"),
    ("left-t10", "right-l1"),
    ("right-t3", "c6"),
)
COVER_SIZE = (1200, 750)
QUALITY = 85  # of a JPEG; a PNG has none
SHEET_SIZE = (800, 500)


def main() -> None:
    """Run every scenario of the sheet once, and draw."""
    graphics.prepare()
    rows = []
    for names in SHEET:
        row = []
        for name in names:
            scene = Still(castsim.run(name), THEMES["light"]).scene()
            row.append(picture(scene, OVERVIEW, THEMES["light"], SHEET_SIZE))
            if name == COVER:
                cover = picture(scene, OVERVIEW, THEMES["light"], COVER_SIZE)
                save(cover, DOCS / "cast.png")
        rows.append(np.hstack(row))
    save(np.vstack(rows), DOCS / "gallery.jpg")


def save(image: np.ndarray, path: Path) -> None:
    """Write a picture and say how large it is."""
    Image.fromarray(image).save(path, optimize=True, quality=QUALITY)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

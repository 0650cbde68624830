"""Draw docs/cast.png, the picture of the README, and docs/gallery.png, a sheet of scenarios.

Run from the repository: ``python -m benchmarks.gallery``.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import castsim
from castsim import graphics
from castsim.metrics import summarise
from castsim.rendering import default_views, picture
from castsim.scene import Scene, build_scene

DOCS = Path(__file__).resolve().parents[1] / "docs"
COVER = "right-t9"
SHEET = (
    ("right-t9", "right-t9-segmental"),
    ("left-t10", "right-l1"),
    ("right-t3", "c6"),
)
COVER_SIZE = (1600, 1000)
SHEET_SIZE = (1000, 640)
COLOURS = 256


def main() -> None:
    """Run every scenario of the sheet once, and draw."""
    graphics.prepare()
    rows = []
    for names in SHEET:
        row = []
        for name in names:
            scene = drawn_scene(name)
            row.append(picture(scene, default_views(scene), SHEET_SIZE))
            if name == COVER:
                save(picture(scene, default_views(scene), COVER_SIZE), DOCS / "cast.png")
        rows.append(np.hstack(row))
    save(np.vstack(rows), DOCS / "gallery.png")


def drawn_scene(name: str) -> Scene:
    """Scene of one bundled scenario."""
    cast = castsim.run(name)
    return build_scene(cast, summarise(cast))


def save(image: np.ndarray, path: Path) -> None:
    """Write a picture small enough to be kept in the repository."""
    Image.fromarray(image).quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

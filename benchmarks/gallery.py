"""Draw docs/cast.png, the picture of the README, and docs/gallery.md with every bundled scenario.

Run from the repository: ``python -m benchmarks.gallery``, or ``make gallery``.
"""

import io
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import castsim
from castsim import graphics
from castsim.cast import Cast
from castsim.cli import main as castsim_command
from castsim.cord import towards_cord
from castsim.fluoroscopy import take_cast
from castsim.fluoroscopy_files import picture as fluorogram
from castsim.fluoroscopy_orders import caption_of
from castsim.rendering import OVERVIEW, picture
from castsim.scenario_file import bundled_names
from castsim.schema import DISCLAIMER
from castsim.still import Still
from castsim.themes import THEMES
from castsim.units import mL_from_uL

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "gallery"
COVER, COVER_SIZE = "right-t9", (1200, 750)
SIZE = (1120, 700)
FLUORO_PIXELS, FLUORO_SHOWN = 1024, 640
MOST_BYTES = 150_000
"""Of a picture; the quality is taken that keeps it."""
QUALITIES = (86, 80, 74, 68, 60)

FOLDER = "casts/right-t9-cubes"
CUBES = f"run right-t9 --mesh voxel --spacing-mm 0.3 --output {FOLDER}"
OTHERS = (
    ("cubes-oblique", "Cast of cubes", f"render {FOLDER} --view oblique --size 1120x700"),
    ("cubes-axial", "Along the root", f"render {FOLDER} --view axial --size 1120x700"),
    ("cubes-unsubtracted", "Over bone", f"fluoro {FOLDER} --unsubtracted"),
    ("cubes-roadmap", "Over a map of the veins", f"fluoro {FOLDER} --roadmap"),
    ("venogram", "Veins at rest", "venogram right-t9 --from anterior_epidural:T9:left"),
)
"""File, words and command of the other pictures."""

INTRODUCTION = f"""# Gallery

Every bundled scenario, as `make gallery` draws it: from the front, obliquely, and along the root;
the cast is coloured by the volume at which agent came, and the ring shows how far the root is
wrapped. Below each the same cast as a C-arm would show it from the front, with the bones
subtracted. One run each, of the commonest anatomy: what is likely in other patients,
`castsim plan` says. {DISCLAIMER}
"""


def main() -> None:
    """Run every bundled scenario once, and draw."""
    graphics.prepare()
    PICTURES.mkdir(exist_ok=True)
    text = [INTRODUCTION, *(section(name) for name in bundled_names()), "\n".join(others())]
    (DOCS / "gallery.md").write_text("\n".join(text), encoding="utf-8")


def section(name: str) -> str:
    """Draw one scenario; its part of the page."""
    cast = castsim.run(name)
    scene = Still(cast, THEMES["light"]).scene()
    save(picture(scene, OVERVIEW, THEMES["light"], SIZE), PICTURES / f"{name}.jpg")
    save(shadow(cast), PICTURES / f"{name}-fluoro.jpg")
    if name == COVER:
        cover = Image.fromarray(picture(scene, OVERVIEW, THEMES["light"], COVER_SIZE))
        cover.save(DOCS / "cast.png", optimize=True)
    return "\n".join(lines(name, cast))


def others() -> Iterator[str]:
    """Draw what other commands show; their part of the page."""
    yield "## Other pictures"
    yield ""
    yield (
        "The same injection with the wide veins near the target as cubes, in which agent can lie "
        f"on the floor: `castsim {CUBES}`. Runs on cubes fall apart into several casts that are "
        "about as likely; this is one of them."
    )
    yield ""
    with tempfile.TemporaryDirectory() as folder:
        command(CUBES, folder, "--no-render")
        for name, words, order in OTHERS:
            shown = f"{folder}/{name}.png"
            command(order, folder, "--output", shown)
            image = Image.open(shown).convert("RGB")
            if image.width == FLUORO_PIXELS:
                image = image.resize((FLUORO_SHOWN, FLUORO_SHOWN), Image.Resampling.LANCZOS)
            save(np.asarray(image), PICTURES / f"{name}.jpg")
            yield f"{words}: `castsim {order}`"
            yield ""
            yield f"![{words}](gallery/{name}.jpg)"
            yield ""


def command(words: str, folder: str, *more: str) -> None:
    """Do what the command line does, with the cast of cubes in a folder below `folder`."""
    given = [f"{folder}/cubes" if word == FOLDER else word for word in words.split()]
    if castsim_command([*given, *more, "--quiet"]) != 0:
        raise SystemExit(f"castsim {words} failed")


def shadow(cast: Cast) -> np.ndarray:
    """Subtracted fluoroscopy of a cast from the front."""
    image = take_cast(cast, pixels=FLUORO_PIXELS)
    shown = Image.fromarray(fluorogram(image, caption_of(cast, mL_from_uL(cast.injected))))
    return np.asarray(shown.resize((FLUORO_SHOWN, FLUORO_SHOWN), Image.Resampling.LANCZOS))


def lines(name: str, cast: Cast) -> Iterator[str]:
    """What the page says of one scenario."""
    report = castsim.summarise(cast)
    cover, reflux = report["coverage"], report["reflux"]
    title = re.sub(r"([\\\\`*_<>\[\]|])", r"\\\1", str(cast.scenario.title))
    alarm = towards_cord(cast, cast.injected).alarm
    cord = f", {alarm}" if alarm else ""
    yield f"## {title}"
    yield ""
    yield (
        f"`castsim run {name}`: {report['injected_mL']:.2f} mL of {cast.scenario.agent} wrap "
        f"{cover['deg']:.0f}° of the root, of {cover['coverable_deg']:.0f}° at best; "
        f"{reflux['azygos_mL']:.2f} mL enter the azygos system, {report['embolised_mL']:.2f} mL "
        f"left towards the lungs{cord}; {report['duration_s']:.0f} s, "
        f"{report['stop_reason']}."
    )
    yield ""
    yield f"![Cast of {title}: overview](gallery/{name}.jpg)"
    yield ""
    yield f"![Cast of {title}: simulated fluoroscopy, subtracted](gallery/{name}-fluoro.jpg)"
    yield ""


def save(image: np.ndarray, path: Path) -> None:
    """Write a picture as a JPEG as good as `MOST_BYTES` allow, and say how large it is."""
    for quality in QUALITIES:
        sink = io.BytesIO()
        Image.fromarray(image).save(sink, format="JPEG", quality=quality, optimize=True)
        if len(sink.getvalue()) <= MOST_BYTES:
            break
    path.write_bytes(sink.getvalue())
    print(f"{path}: {len(sink.getvalue()) / 1000:.0f} kB, quality {quality}")


if __name__ == "__main__":
    main()

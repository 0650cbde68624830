"""The work of ``castsim fluoro``: what is asked for, the image, its file and what is said of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from castsim.cast_reading import read_cast, read_report
from castsim.errors import ResultError
from castsim.fluoroscopy import (
    LEAST_PIXELS,
    MOST_PIXELS,
    VIEWS,
    Fluorogram,
    Mode,
    cast_isocentre,
    cast_scene,
    take,
)
from castsim.fluoroscopy_files import SUFFIXES, Caption, image_bytes
from castsim.naming import match_name
from castsim.results import check_file, write_file
from castsim.schema import DISCLAIMER
from castsim.xray import load_xray

if TYPE_CHECKING:
    from castsim.simulate import Progress

ROUNDED_ML = 0.005
"""Volumes are told to two places: one that was rounded up is no error."""
SIGNAL_PLACES = 4


@dataclass(frozen=True)
class Shot:
    """How an image is to be taken, and where it goes.

    Attributes
    ----------
    view, mode, pixels : as :func:`castsim.fluoroscopy.take` takes them
    path : of the file; None: a name of its own
    """

    view: str
    mode: Mode
    pixels: int
    path: Path | None

    @classmethod
    def asked(cls, view: str, flags: dict[Mode, bool], pixels: int, path: Path | None) -> Self:
        """Check what was asked for; of the modes the first is taken unless one is flagged.

        Raises
        ------
        CastsimError
            If there is no such view, size or file, or several modes are flagged.
        """
        name = match_name(view, VIEWS, "--view")
        modes = [mode for mode, flagged in flags.items() if flagged]
        if len(modes) > 1:
            raise ResultError(f"--{modes[0]} and --{modes[1]}: one image is one of them")
        if not LEAST_PIXELS <= pixels <= MOST_PIXELS:
            raise ResultError(
                f"--size {pixels}: must be from {LEAST_PIXELS} to {MOST_PIXELS} pixels"
            )
        if path is not None:
            check_file(path, *SUFFIXES)
        return cls(name, (*modes, *flags)[0], pixels, path)


def fluoro(
    folder: Path,
    shot: Shot,
    *,
    volume_mL: float | None = None,
    progress: "Progress | None" = None,
) -> dict[str, Any]:
    """Take an image of the cast in a result folder and write it.

    Parameters
    ----------
    folder : that `castsim run` has written
    shot : how; without a path it goes into that folder
    volume_mL : out of the tip; None: at the end
    progress : told what is being done

    Returns
    -------
    dict
        What there is to say of the image, for JSON.

    Raises
    ------
    ResultError
        If there is no such result, it had not so much out of the tip, or a file cannot be written.
    """
    injected = float(read_report(folder)["injected_mL"])
    if volume_mL is not None and not 0.0 <= volume_mL <= injected + ROUNDED_ML:
        raise ResultError(
            f"--volume-mL {volume_mL:g}: this cast has from 0 to {injected:.2f} mL out of the tip"
        )
    volume = "" if volume_mL is None else f"-{volume_mL:.2f}mL"
    path = shot.path or folder / f"fluoro-{shot.view}-{shot.mode}{volume}.png"
    check_file(path, *SUFFIXES)
    cast = read_cast(folder, progress=progress).cast
    shown_mL = injected if volume_mL is None else volume_mL
    scene = cast_scene(cast, volume_mL)
    image = take(scene, cast_isocentre(cast), shot.view, shot.mode, pixels=shot.pixels)
    scenario = cast.scenario
    caption = Caption(scenario.title, f"{scenario.agent}\n{shown_mL:.2f} mL")
    write_file(path, lambda part: image_bytes(image, caption, part))
    return {**facts(image, path), "agent": scenario.agent, "volume_mL": shown_mL}


def facts(image: Fluorogram, path: Path) -> dict[str, Any]:
    """Geometry, exposure and contrast of an image."""
    beam = image.beam
    return {
        "file": str(path),
        "view": image.view,
        "mode": image.mode,
        "disclaimer": DISCLAIMER,
        "pixels": beam.pixels,
        "pixel_mm_at_isocentre": beam.pitch_mm / beam.magnification,
        "detector_angle_deg": beam.angle_deg,
        "source_isocentre_mm": beam.source_isocentre_mm,
        "source_detector_mm": beam.source_detector_mm,
        "energy_keV": load_xray().energy_keV,
        "photons_per_pixel": image.photons_per_pixel,
        "largest_signal": round(float(image.signal.max()), SIGNAL_PLACES),
    }

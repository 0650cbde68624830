"""What ``castsim fluoro`` and ``castsim venogram`` are asked for, and how it is done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from pydantic import ValidationError

from castsim.cast_reading import read_report
from castsim.cord import towards_cord
from castsim.errors import ResultError, ScenarioError, UnreachableError
from castsim.fluoroscopy import (
    LEAST_PIXELS,
    MOST_PIXELS,
    VIEWS,
    Fluorogram,
    Mode,
    Scene,
    Tube,
    catheter_tubes,
    isocentre_at,
    take,
    take_cast,
)
from castsim.fluoroscopy_files import SUFFIXES, Caption, image_bytes
from castsim.naming import match_name
from castsim.results import check_file, write_file
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario
from castsim.scenario_sections import Tip
from castsim.schema import DISCLAIMER
from castsim.simulate import build_anatomy, catheter_route
from castsim.tip import locate_tip
from castsim.units import ROUNDED_ML, mL_from_uL, mmHg_from_Pa, uL_from_mL
from castsim.venography import inject_contrast
from castsim.venous_flow import resting_flow
from castsim.xray import load_xray
from geometry.catheter_course import catheter_course
from geometry.centerline_mesh import centreline_mesh

if TYPE_CHECKING:
    from castsim.drawn import DrawnCast
    from castsim.simulate import Progress
    from geometry.anatomy import Anatomy

STATIONS: tuple[str, ...] = get_args(Tip.model_fields["station"].annotation)
SIGNAL_PLACES = 4
MOST_RATE_ML_S, MOST_VOLUME_ML = 20.0, 100.0
"""Of contrast medium: more is no hand and no pump."""


@dataclass(frozen=True)
class Shot:
    """How an image is to be taken, and where it goes.

    Attributes
    ----------
    view, mode, pixels : as :func:`castsim.fluoroscopy.take` takes them
    path : of the file; None: a name of its own
    field_mm : side of the detector's field; None: as is fit
    """

    view: str
    mode: Mode
    pixels: int
    path: Path | None
    field_mm: float | None = None

    @classmethod
    def asked(
        cls,
        view: str,
        flags: dict[Mode, bool],
        pixels: int,
        path: Path | None,
        field_mm: float | None = None,
    ) -> Self:
        """Check what was asked for; of the modes the first is taken unless one is flagged.

        Raises
        ------
        CastsimError
            If there is no such view, size, field or file, or several modes are flagged.
        """
        name = match_name(view, VIEWS, "--view")
        modes = [mode for mode, flagged in flags.items() if flagged]
        if len(modes) > 1:
            raise ResultError(f"--{modes[0]} and --{modes[1]}: one image is one of them")
        if not LEAST_PIXELS <= pixels <= MOST_PIXELS:
            raise ResultError(
                f"--size {pixels}: must be from {LEAST_PIXELS} to {MOST_PIXELS} pixels"
            )
        zooms = load_xray().zooms_mm
        if field_mm is not None and not zooms[-1] <= field_mm <= zooms[0]:
            raise ResultError(
                f"--field-mm {field_mm:g}: must be from {zooms[-1]:g} to {zooms[0]:g} mm; a C-arm "
                f"has {', '.join(f'{zoom:g}' for zoom in zooms)}"
            )
        if path is not None:
            check_file(path, *SUFFIXES)
        return cls(name, (*modes, *flags)[0], pixels, path, field_mm)


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
    from castsim.stored_cast import read_drawn

    report = read_report(folder)
    injected = float(report["injected_mL"])
    if volume_mL is not None and not 0.0 <= volume_mL <= injected + ROUNDED_ML:
        raise ResultError(
            f"--volume-mL {volume_mL:g}: this cast has from 0 to {injected:.2f} mL out of the tip"
        )
    volume = "" if volume_mL is None else f"-{volume_mL:.2f}mL"
    path = shot.path or folder / f"fluoro-{shot.view}-{shot.mode}{volume}.png"
    check_file(path, *SUFFIXES)
    cast = read_drawn(folder, progress=progress).cast
    shown_mL = injected if volume_mL is None else volume_mL
    image = take_cast(
        cast, shot.view, shot.mode, volume_mL=volume_mL, field_mm=shot.field_mm, pixels=shot.pixels
    )
    caption = caption_of(cast, shown_mL, _medium() if shot.mode == "roadmap" else "")
    write_file(path, lambda part: image_bytes(image, caption, part))
    return {
        **facts(image, path),
        "agent": cast.scenario.agent,
        "volume_mL": shown_mL,
        "towards_cord_mL": towards_cord(cast, uL_from_mL(shown_mL)).total_mL,
    }


def caption_of(cast: "DrawnCast", shown_mL: float, medium: str = "") -> Caption:
    """Words in an image of a cast after `shown_mL`; `medium`: contrast medium that is seen too."""
    words = (
        cast.scenario.agent,
        f"{shown_mL:.2f} mL injected",
        towards_cord(cast, uL_from_mL(shown_mL)).alarm,
    )
    return Caption(cast.scenario.title, "\n".join(filter(None, words)), medium)


@dataclass(frozen=True)
class Injection:
    """Contrast medium that is to be injected; None: as the tables say.

    Attributes
    ----------
    vein : where, as ``anterior_epidural:T9:left`` with a station if wanted; None: the scenario's
        tip
    rate_mL_s, volume_mL : how fast, and how much
    """

    vein: str | None = None
    rate_mL_s: float | None = None
    volume_mL: float | None = None

    def overrides(self) -> list[str]:
        """Fields of a scenario whose tip lies in the vein.

        Raises
        ------
        ResultError
            If the vein is not written as it must be, or rate or volume cannot be.
        """
        for option, value, most in (
            ("--rate-mL-s", self.rate_mL_s, MOST_RATE_ML_S),
            ("--volume-mL", self.volume_mL, MOST_VOLUME_ML),
        ):
            if value is not None and not 0.0 < value <= most:
                raise ResultError(f"{option} {value:g}: must be > 0 and at most {most:g}")
        if self.vein is None:
            return []
        parts = [part.strip() for part in self.vein.split(":")]
        if len(parts) not in (3, 4):
            raise ResultError(
                f"{self.field()}: write VEIN:LEVEL:SIDE, as anterior_epidural:T9:left "
                "or azygos:T9:right"
            )
        try:
            station = match_name([*parts, "middle"][3], STATIONS, "station")
            structure, level, side = parts[:3]
            tip = Tip.model_validate(
                {"structure": structure, "level": level, "side": side, "station": station}
            )
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise ResultError(f"{self.field()}: {fault}") from error
        except ScenarioError as error:
            raise ResultError(f"{self.field()}: {error}") from error
        place = [f"tip.{name}={json.dumps(value)}" for name, value in tip.model_dump().items()]
        return [*place, "catheter.via=[]"]  # those of the scenario lead to its own tip

    def field(self, scenario: str = "scenario") -> str:
        """Name for errors of what says where contrast medium comes out."""
        return f"{scenario}: tip" if self.vein is None else f"--from {self.vein}"


def venogram(
    scenario: str,
    injection: Injection,
    shot: Shot,
    *,
    overrides: Sequence[str] = (),
    progress: "Progress | None" = None,
) -> dict[str, Any]:
    """Take an image of contrast medium in the resting veins of a scenario's patient; write it.

    Parameters
    ----------
    scenario : name or file; its tip is where contrast medium comes out, unless a vein is given
    injection : of contrast medium
    shot : how; without a path it goes into the working folder
    overrides : fields of the scenario, as ``field=value``
    progress : told what is being done

    Returns
    -------
    dict
        What there is to say of the image, for JSON.

    Raises
    ------
    CastsimError
        If there is no such vein, or something that was asked for cannot be.
    """
    planned = load_scenario(scenario, [*overrides, *injection.overrides()]).resolved()
    tip = planned.tip
    path = shot.path or Path(
        f"venogram-{tip.structure}-{tip.level}-{tip.side}-{shot.view}-{shot.mode}.png"
    )
    check_file(path, *SUFFIXES)
    tell = progress or (lambda stage, done: None)
    tell("geometry", 0.0)
    anatomy = build_anatomy(planned.patient.anatomy, planned.patient.seed, planned.patient.traits())
    branch, arc = locate_tip(anatomy, tip, field=injection.field(planned.name))
    tell("flow", 0.0)
    mesh = centreline_mesh(anatomy.network, planned.mesh.cell_mm)
    rest = resting_flow(mesh.flow, planned.physiology())
    tell("injection", 0.0)
    xray = load_xray()
    rate = injection.rate_mL_s or mL_from_uL(xray.venogram_rate_uL_s)
    volume = injection.volume_mL or mL_from_uL(xray.venogram_volume_uL)
    filled = inject_contrast(rest, mesh.cell_at(branch, arc), uL_from_mL(rate), uL_from_mL(volume))
    tubes = _catheter_to(anatomy, planned, xray.contrast_medium)
    scene = Scene(anatomy, mesh, xray.contrast_medium * filled.share, tubes=tubes)
    height = float(mesh.flow.cell_centroid[filled.cell, 2])
    image = take(
        scene, isocentre_at(anatomy, height), shot.view, shot.mode,
        side=planned.target.side_code, field_mm=shot.field_mm, pixels=shot.pixels,
    )  # fmt: skip
    vein = str(tip).replace("_", " ")
    if tip.station != Tip.model_fields["station"].default:
        vein += f", {tip.station} third"
    caption = Caption(
        f"Contrast medium into {vein}",
        f"{_medium()}\n{volume:g} mL at {rate:g} mL/s",
        _medium(),
    )
    write_file(path, lambda part: image_bytes(image, caption, part))
    return {
        **facts(image, path),
        "vein": str(tip),
        "catheter": planned.catheter_model().name if tubes else None,
        "volume_mL": volume,
        "rate_mL_s": rate,
        "left_by_the_ends_mL": mL_from_uL(filled.left),
        "pressure_rise_mmHg": mmHg_from_Pa(filled.pressure_rise),
    }


def _catheter_to(anatomy: "Anatomy", planned: Scenario, content: float) -> tuple[Tube, ...]:
    """The scenario's catheter with its tip where it is planned; nothing where it cannot get."""
    try:
        route = catheter_route(anatomy, planned)
    except UnreachableError:
        return ()
    points = catheter_course(anatomy.network, route, load_xray().bend_radius_mm)
    return catheter_tubes(points, planned.catheter_model(), content)


def _medium() -> str:
    return f"iodine {load_xray().iodine_mg_mL:g} mg/mL"


def facts(image: Fluorogram, path: Path) -> dict[str, Any]:
    """Geometry, exposure and contrast of an image."""
    beam = image.beam
    return {
        "file": str(path),
        "view": image.view,
        "mode": image.mode,
        "disclaimer": DISCLAIMER,
        "pixels": beam.pixels,
        "field_mm": beam.field_mm,
        "pixel_mm_at_isocentre": beam.pitch_mm / beam.magnification,
        "detector_angle_deg": beam.angle_deg,
        "source_isocentre_mm": beam.source_isocentre_mm,
        "source_detector_mm": beam.source_detector_mm,
        "energy_keV": load_xray().energy_keV,
        "photons_per_pixel": image.photons_per_pixel,
        "largest_signal": round(float(image.signal.max()), SIGNAL_PLACES),
    }

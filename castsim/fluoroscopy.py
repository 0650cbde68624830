"""Simulated fluoroscopy: what a C-arm would show of a cast, or of contrast medium in veins.

**Attenuation** (Beer, Lambert). Photons that a pixel counts, N = N0 exp(-sum mu_m l_m), with the
length l_m of its ray in every material m (:mod:`geometry.projection`). N0 is such that without
agent and contrast medium their mean over the middle of the image is that of the exposure
(automatic exposure control, locked before the mask is taken).

**Veins** have the shape of :mod:`geometry.lumen`, in which what a cell holds goes over into what
its neighbours hold along the vein. All of it together is weighed once more by what the cells of
the mesh hold, so that the image has it all: their volumes and the shape's differ at junctions.

**Blur and noise.** The focal spot, a square of side f, blurs what lies at the isocentre by a
standard deviation f (M - 1) / sqrt(12) on the detector (M the magnification); then photons are
counted (Poisson); then the detector's screen spreads their light by a Gaussian, noise and all.

**Subtraction.** The signal is ln(mask) - ln(live), mask and live each with noise of their own. The
mask has all but agent and contrast medium. A roadmap is such an image at the dose of fluoroscopy,
with a map of the veins laid over it in white: v = ln(mask) - ln(filled) of a venogram takes
m (1 - exp(-v / m)) off the signal, which is v in small veins and m in wide ones, so that agent
shows in both.

Left out: scatter, the width of the spectrum, movement, articular processes, lungs and bowel gas.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from castsim.catheters import Catheter
from castsim.holding import CubesHold
from castsim.units import uL_from_mL
from castsim.venography import inject_contrast
from castsim.xray import XRay, agent_attenuation, load_xray
from geometry.kernels.solids import BODY, LAMINA, PEDICLE, PROCESS
from geometry.levels import VERTEBRAE, Side
from geometry.lumen import capsules_of, minor_axes
from geometry.lumen_points import lumen_points
from geometry.projection import Beam, bone_paths, point_paths, trunk_path, tube_path
from geometry.ribs import with_ribs
from geometry.tube_pieces import tube_pieces

if TYPE_CHECKING:
    from castsim.drawn import DrawnCast
    from geometry.anatomy import Anatomy
    from geometry.centerline_mesh import CentrelineMesh
    from geometry.kernels.lumen import Capsules

FloatArray = NDArray[np.float64]

VIEWS: Mapping[str, float] = MappingProxyType(
    {"ap": 0.0, "lateral": 90.0, "lao30": 30.0, "rao30": -30.0}
)
"""Angle of the detector, degrees to the patient's left of straight in front; that of a lateral view
goes to the side that is asked for."""
Mode = Literal["subtracted", "unsubtracted", "roadmap"]
PIXELS = 1024
MOST_PIXELS, LEAST_PIXELS = 4096, 512
SHOWN_MM = 65.0
"""Above and below the target: what of a cast lies farther off is not aimed at."""
FIELD_MARGIN = 1.06
"""Room about what a field has to show."""
MARKER_POINTS = 5
"""Along the marker of a catheter, so that it bends with it."""
SPACING_PIXELS, LEAST_SPACING_MM = 1.25, 0.1
"""Of the points that fill the veins, at the isocentre; the detector resolves no less."""
AIMED_SATURATION = 0.1
"""A cell that holds less agent need not be in the field."""
LEAST_SIGNAL = 1e-4
"""What attenuates less is not looked for: photons make a hundred times as much noise."""
MAP_SIGNAL = 0.15
"""m: what the map of a roadmap takes off the signal at most."""
LEAST_COUNT = 1.0
"""Photons: the logarithm of a pixel that counted less is that of one."""
SEED = 0
"""Of the noise: the same picture has the same bits."""


@dataclass(frozen=True)
class Tube:
    """A stretch of catheter.

    Attributes
    ----------
    points : (k, 3) mm, along its axis
    outer_mm, inner_mm : radii
    wall, content : what they add to the attenuation of blood, mm^-1; the wall is there when the
        mask is taken, the content is not
    """

    points: FloatArray
    outer_mm: float
    inner_mm: float
    wall: float
    content: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What stands in the beam.

    Attributes
    ----------
    anatomy : bones, veins and trunk
    mesh : of its veins
    added : (n,) what each cell's content adds to the attenuation of blood, mm^-1
    mapped : (n,) the same in the venogram of a roadmap; None: there is none
    tubes : of the catheter
    total : mm2, of `added` over all veins; None: what the cells of the mesh hold
    cubes : the same as `added` where veins are cubes; None: nowhere
    """

    anatomy: "Anatomy"
    mesh: "CentrelineMesh"
    added: FloatArray
    mapped: FloatArray | None = None
    tubes: tuple[Tube, ...] = ()
    total: float | None = None
    cubes: CubesHold | None = None


@dataclass(frozen=True)
class Fluorogram:
    """One simulated image. Research and education, not a medical device.

    Attributes
    ----------
    view : of `VIEWS`
    mode : subtracted, unsubtracted or roadmap
    beam : its geometry
    signal : (rows, columns) ln(mask / live), or ln(mean photons / photons) where nothing was
        subtracted: more is darker; of a roadmap less the map of the veins
    photons_per_pixel : mean of one exposure
    """

    view: str
    mode: Mode
    beam: Beam
    signal: FloatArray
    photons_per_pixel: float


@dataclass(frozen=True)
class Paths:
    """Line integrals of attenuation along every ray, (rows, columns), without unit.

    Attributes
    ----------
    still : bone, soft tissue and what else does not change
    added : agent or contrast medium
    mapped : contrast medium in the venogram of a roadmap
    """

    still: FloatArray
    added: FloatArray
    mapped: FloatArray


def cast_scene(
    cast: "DrawnCast", volume_mL: float | None = None, *, roadmap: bool = False
) -> Scene:
    """Put a cast into the beam, as it was when `volume_mL` had left the tip; None: at the end.

    With `roadmap`, contrast medium was injected through the same catheter before.
    """
    volume = cast.injected if volume_mL is None else uL_from_mL(volume_mL)
    opaque = agent_attenuation(cast.scenario.agent)
    mapped = None
    if roadmap:
        xray = load_xray()
        rate, dose = xray.microcatheter_rate_uL_s, xray.microcatheter_volume_uL
        share = inject_contrast(cast.rest, cast.mesh.tip_cell, rate, dose).share
        mapped = xray.contrast_medium * share
    holding = cast.holding_at(volume)
    cubes = holding.cubes
    if cubes is not None:
        cubes = replace(cubes, share=opaque * cubes.share)
    model = cast.scenario.catheter_model()
    tubes = catheter_tubes(cast.catheter, model, opaque if volume > 0.0 else 0.0)
    return Scene(
        cast.anatomy, cast.mesh, opaque * holding.share, mapped, tubes,
        total=opaque * holding.total, cubes=cubes,
    )  # fmt: skip


def catheter_tubes(points: FloatArray, model: Catheter, content: float) -> tuple[Tube, ...]:
    """Shaft, marker and lumen of a microcatheter.

    Parameters
    ----------
    points : (m, 3) mm along it, from its tip on
    content : what is in its lumen adds to the attenuation of blood, mm^-1
    """
    xray = load_xray()
    outer, inner = model.outer_diameter / 2.0, model.lumen_diameter / 2.0
    inner = min(inner, outer - xray.marker_wall_mm)
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    band = np.linspace(0.0, min(xray.marker_length_mm, arc[-1]), MARKER_POINTS)
    marker = np.stack([np.interp(band, arc, column) for column in points.T], axis=1)
    return (
        Tube(points, outer, inner, xray.shaft, content),
        Tube(marker, outer, outer - xray.marker_wall_mm, xray.marker - xray.shaft),
    )


def isocentre_at(anatomy: "Anatomy", height_mm: float) -> FloatArray:
    """Where the C-arm is aimed: the middle of the spinal canal at a height."""
    canal = anatomy.skeleton.canal
    # the canal's centres run downwards
    y = np.interp(-height_mm, -canal.points[:, 2], canal.points[:, 1])
    return np.array([0.0, y, height_mm])


def take_cast(
    cast: "DrawnCast",
    view: str = "ap",
    mode: Mode = "subtracted",
    *,
    volume_mL: float | None = None,
    field_mm: float | None = None,
    pixels: int = PIXELS,
) -> Fluorogram:
    """Take an image of a cast, aimed at it; see :func:`take`.

    Parameters
    ----------
    volume_mL : out of the tip; None: at the end
    field_mm : side of the detector's field; None: the smallest zoom that shows the whole cast and
        a vertebra above and below it, whatever the volume
    """
    isocentre, shown = _aim(cast)
    side = cast.scenario.target.side_code
    scene = cast_scene(cast, volume_mL, roadmap=mode == "roadmap")
    field = field_mm or zoom_for(shown, isocentre, view, side)
    return take(scene, isocentre, view, mode, side=side, field_mm=field, pixels=pixels)


def _aim(cast: "DrawnCast") -> tuple[FloatArray, FloatArray]:
    """Isocentre (3,) for a cast, and what is to be seen about it, (k, 3) mm."""
    skeleton, target = cast.anatomy.skeleton, cast.scenario.target
    foramen = skeleton.foramen(target.root, target.side_code).origin
    held = cast.mesh.flow.cell_centroid[cast.saturation >= AIMED_SATURATION]
    held = np.vstack([held[np.abs(held[:, 2] - foramen[2]) <= SHOWN_MM], foramen])
    low, high = held[:, 2].min(), held[:, 2].max()
    bodies = [skeleton.vertebra(level) for level in VERTEBRAE]
    ends = np.array([[body.world([0.0, 0.0, up * body.body_height / 2]) for body in bodies]
                     for up in (1.0, -1.0)])  # fmt: skip
    # the ends of the nearest bodies wholly above and wholly below, or of the last there are
    above = int(np.flatnonzero(ends[1, :, 2] >= high).max(initial=0))
    below = int(np.flatnonzero(ends[0, :, 2] <= low).min(initial=len(bodies) - 1))
    shown = np.vstack([held, ends[0, above], ends[1, below]])
    middle = (shown.min(axis=0) + shown.max(axis=0)) / 2.0
    return middle, shown


def zoom_for(shown: FloatArray, isocentre: FloatArray, view: str, side: Side) -> float:
    """Side of the smallest field, mm, in which points (k, 3) mm are seen, or of the largest."""
    arm = load_xray()
    beam = beam_at(isocentre, view, side=side)
    away = np.abs(beam.project(shown) - (beam.pixels - 1) / 2.0).max() * beam.pitch_mm
    wide = [field for field in arm.zooms_mm if field >= 2.0 * FIELD_MARGIN * away]
    return min(wide, default=arm.zooms_mm[0])


def beam_at(
    isocentre: FloatArray,
    view: str,
    *,
    side: Side = Side.LEFT,
    field_mm: float | None = None,
    pixels: int = PIXELS,
) -> Beam:
    """Aim the C-arm of the table at a point (3,) mm; see :func:`take`."""
    arm = load_xray()
    lateral = view == "lateral" and side == Side.RIGHT
    return Beam(
        isocentre=np.asarray(isocentre, dtype=float),
        angle_deg=-VIEWS[view] if lateral else VIEWS[view],
        source_isocentre_mm=arm.source_isocentre_mm,
        source_detector_mm=arm.source_detector_mm,
        field_mm=field_mm or arm.field_mm,
        pixels=pixels,
    )


def take(
    scene: Scene,
    isocentre: FloatArray,
    view: str = "ap",
    mode: Mode = "subtracted",
    *,
    side: Side = Side.LEFT,
    field_mm: float | None = None,
    pixels: int = PIXELS,
    seed: int = SEED,
) -> Fluorogram:
    """Take one image.

    Parameters
    ----------
    scene : what stands in the beam
    isocentre : (3,) mm, in the middle of the image
    view : of `VIEWS`
    mode : subtracted, unsubtracted or roadmap
    side : of the body, on which the detector of a lateral view stands
    field_mm : side of the square that is used of the detector; None: that of the table
    pixels : along either side of the image
    seed : of the noise
    """
    xray = load_xray()
    beam = beam_at(isocentre, view, side=side, field_mm=field_mm, pixels=pixels)
    paths = line_integrals(scene, beam, xray)
    dose = {"roadmap": xray.roadmap_per_mm2}.get(mode, xray.acquisition_per_mm2)
    signal = _signal(paths, mode, _Tube(paths.still, dose, beam, xray, seed))
    if mode == "roadmap":
        filled = _Tube(paths.still, xray.acquisition_per_mm2, beam, xray, seed + 1)
        veins = np.maximum(_log_ratio(filled.shot(), filled.shot(paths.mapped)), 0.0)
        signal -= MAP_SIGNAL * (1.0 - np.exp(-veins / MAP_SIGNAL))
    return Fluorogram(view, mode, beam, signal, dose * beam.pitch_mm**2)


class _Tube:
    """Tube and detector with the exposure locked; every shot has noise of its own."""

    def __init__(
        self, still: FloatArray, per_mm2: float, beam: Beam, xray: XRay, seed: int
    ) -> None:
        self.photons = per_mm2 * beam.pitch_mm**2
        self._still, self._beam, self._xray = still, beam, xray
        self._output = self.photons / middle_of(np.exp(-still)).mean()
        self._seeds = np.random.SeedSequence(seed)

    def shot(self, added: FloatArray | float = 0.0) -> FloatArray:
        """Photons that every pixel counts when what is `added` attenuates too."""
        noise = np.random.default_rng(self._seeds.spawn(1)[0])
        return expose(self._still + added, self._output, self._beam, noise, self._xray)


def _signal(paths: Paths, mode: Mode, tube: _Tube) -> FloatArray:
    """Logarithm of what came before over what comes now."""
    live = tube.shot(paths.added)
    mask = np.full_like(live, tube.photons) if mode == "unsubtracted" else tube.shot()
    return _log_ratio(mask, live)


def _log_ratio(before: FloatArray, after: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(before, LEAST_COUNT) / np.maximum(after, LEAST_COUNT)))


def middle_of(image: FloatArray) -> FloatArray:
    """The part of an image by which exposure and window are set, half as wide and high."""
    side = len(image)
    inner = slice(side // 4, side - side // 4)
    return image[inner, inner]


def line_integrals(scene: Scene, beam: Beam, xray: XRay) -> Paths:
    """Attenuation along every ray."""
    skeleton, network = scene.anatomy.skeleton, scene.anatomy.network
    shell = xray.shell_mm
    shells = {
        BODY: shell["body"],
        PEDICLE: shell["pedicle"],
        LAMINA: shell["lamina"],
        PROCESS: shell["process"],
    }
    cortical, trabecular = bone_paths(with_ribs(skeleton), shells, beam)
    soft = np.maximum(trunk_path(skeleton.skin, beam) - cortical - trabecular, 0.0)
    still = (
        xray.cortical_bone * cortical + xray.trabecular_bone * trabecular + xray.soft_tissue * soft
    )
    height, reach = beam.isocentre[2], beam.field_mm
    axes = minor_axes(network, skeleton, (height - reach, height + reach))
    capsules = capsules_of(network, axes)
    added = vein_paths(
        scene.mesh, capsules, scene.added, beam, total=scene.total, cubes=scene.cubes
    )
    mapped = np.zeros_like(added)
    if scene.mapped is not None:
        mapped = vein_paths(scene.mesh, capsules, scene.mapped, beam)
    for tube in scene.tubes:
        lumen = tube_path(tube_pieces(tube.points, tube.inner_mm), beam)
        outer = tube_path(tube_pieces(tube.points, tube.outer_mm), beam)
        still += tube.wall * (outer - lumen)
        added += tube.content * lumen
    return Paths(still, added, mapped)


def vein_paths(
    mesh: "CentrelineMesh",
    capsules: "Capsules",
    added: FloatArray,
    beam: Beam,
    *,
    total: float | None = None,
    cubes: CubesHold | None = None,
) -> FloatArray:
    """Attenuation along every ray of what cells hold, (rows, columns).

    Parameters
    ----------
    mesh : of n cells
    capsules : of the same network
    added : (n,) what each cell's content adds to the attenuation of blood, mm^-1
    total, cubes : as in :class:`Scene`
    """
    flow = mesh.flow
    seen = 2.0 * flow.cell_radius * added >= LEAST_SIGNAL
    if not seen.any():
        return np.zeros((beam.pixels, beam.pixels))
    spacing = max(SPACING_PIXELS * beam.pitch_mm / beam.magnification, LEAST_SPACING_MM)
    length = np.linalg.norm(capsules.along, axis=1)
    ends = capsules.arc, capsules.arc + length
    points = lumen_points(capsules, mesh.stretches_with(capsules.branch, *ends, seen), spacing)
    # a catheter takes its part of the lumen
    taken = np.where(flow.cell_gap > 0.0, 1.0 - flow.cell_gap / flow.cell_radius, 0.0)
    dense = added * (1.0 - taken**2)
    row, share = mesh.rows_beside(points.branch, points.arc)
    before, after = dense[mesh.polyline_cell[row]], dense[mesh.polyline_cell[row + 1]]
    held = before + share * (after - before)
    if cubes is not None:
        held = cubes.at(points.xyz, held)
    held *= points.volume
    whole = float(added @ flow.cell_volume) if total is None else total
    held *= whole / float(held.sum())
    return point_paths(points.xyz, held, points.spacing, beam)


def expose(
    path: FloatArray, output: float, beam: Beam, noise: np.random.Generator, xray: XRay
) -> FloatArray:
    """Photons that every pixel counts (rows, columns).

    Parameters
    ----------
    path : attenuation along every ray
    output : photons that a pixel would count with nothing in the beam
    """
    from scipy.ndimage import gaussian_filter

    spot = xray.focal_spot_mm * (beam.magnification - 1.0) / np.sqrt(12.0)
    passed = gaussian_filter(output * np.exp(-path), spot / beam.pitch_mm, mode="nearest")
    counted = noise.poisson(passed).astype(float)
    screen = xray.detector_blur_mm / beam.pitch_mm
    return np.asarray(gaussian_filter(counted, screen, mode="nearest"))

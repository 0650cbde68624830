"""Simulated fluoroscopy: what a C-arm would show of a cast, or of contrast medium in veins.

**Attenuation** (Beer, Lambert). Photons that a pixel counts, N = N0 exp(-sum mu_m l_m), with the
length l_m of its ray in every material m (:mod:`geometry.projection`). N0 is such that without
agent and contrast medium their mean over the middle of the image is that of the exposure
(automatic exposure control, locked before the mask is taken).

**Blur and noise.** The focal spot, a square of side f, blurs what lies at the isocentre by a
standard deviation f (M - 1) / sqrt(12) on the detector (M the magnification); then photons are
counted (Poisson); then the detector's screen spreads their light by a Gaussian, noise and all.

**Subtraction.** The signal is ln(mask) - ln(live), mask and live each with noise of their own. The
mask of an ordinary subtraction has all but agent and contrast medium.

Left out: scatter, the width of the spectrum, movement, ribs, lungs and bowel gas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from castsim.units import uL_from_mL
from castsim.xray import XRay, agent_attenuation, load_xray
from geometry.kernels.solids import BODY, LAMINA, PEDICLE, PROCESS
from geometry.lumen import minor_axes
from geometry.projection import Beam, bone_paths, trunk_path, vein_paths, vein_pieces

if TYPE_CHECKING:
    from castsim.cast import Cast
    from geometry.anatomy import Anatomy
    from geometry.centerline_mesh import CentrelineMesh

FloatArray = NDArray[np.float64]

VIEWS: Mapping[str, float] = MappingProxyType(
    {"ap": 0.0, "lateral": 90.0, "lao30": 30.0, "rao30": -30.0}
)
"""Angle of the detector, degrees to the patient's left of straight in front."""
Mode = Literal["subtracted", "unsubtracted"]
PIXELS = 1024
MOST_PIXELS, LEAST_PIXELS = 4096, 256
LEAST_PIXEL = 0.5
"""Pixels: a thinner vein is drawn as wide as this, and thinner in density for it."""
LEAST_COUNT = 1.0
"""Photons: the logarithm of a pixel that counted less is that of one."""
SEED = 0
"""Of the noise: the same picture has the same bits."""


@dataclass(frozen=True)
class Scene:
    """What stands in the beam.

    Attributes
    ----------
    anatomy : bones, veins and trunk
    mesh : of its veins
    added : (n,) what each cell's content adds to the attenuation of blood, mm^-1
    """

    anatomy: "Anatomy"
    mesh: "CentrelineMesh"
    added: FloatArray


@dataclass(frozen=True)
class Fluorogram:
    """One simulated image. Research and education, not a medical device.

    Attributes
    ----------
    view : of `VIEWS`
    mode : subtracted or unsubtracted
    beam : its geometry
    signal : (rows, columns) ln(mask / live), or ln(mean photons / photons) where nothing was
        subtracted: more is darker
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
    """

    still: FloatArray
    added: FloatArray


def cast_scene(cast: "Cast", volume_mL: float | None = None) -> Scene:
    """Put a cast into the beam, as it was when `volume_mL` had left the tip; None: at the end."""
    volume = cast.injected if volume_mL is None else uL_from_mL(volume_mL)
    opaque = agent_attenuation(cast.scenario.agent)
    return Scene(cast.anatomy, cast.mesh, opaque * cast.saturation_at(volume))


def cast_isocentre(cast: "Cast") -> FloatArray:
    """Where the C-arm is aimed: the middle of the spine at the height of the target's foramen."""
    target = cast.scenario.target
    origin = cast.anatomy.skeleton.foramen(target.root, target.side_code).origin
    return origin * [0.0, 1.0, 1.0]


def beam_at(
    isocentre: FloatArray, view: str, *, pixels: int = PIXELS, xray: XRay | None = None
) -> Beam:
    """Aim the C-arm of the table at a point (3,) mm."""
    arm = xray or load_xray()
    return Beam(
        isocentre=np.asarray(isocentre, dtype=float),
        angle_deg=VIEWS[view],
        source_isocentre_mm=arm.source_isocentre_mm,
        source_detector_mm=arm.source_detector_mm,
        field_mm=arm.field_mm,
        pixels=pixels,
    )


def take(
    scene: Scene,
    isocentre: FloatArray,
    view: str = "ap",
    mode: Mode = "subtracted",
    *,
    pixels: int = PIXELS,
    seed: int = SEED,
) -> Fluorogram:
    """Take one image.

    Parameters
    ----------
    scene : what stands in the beam
    isocentre : (3,) mm, in the middle of the image
    view : of `VIEWS`
    mode : subtracted or unsubtracted
    pixels : along either side of the image
    seed : of the noise
    """
    xray = load_xray()
    beam = beam_at(isocentre, view, pixels=pixels, xray=xray)
    paths = line_integrals(scene, beam, xray)
    photons = xray.acquisition_per_mm2 * beam.pitch_mm**2
    mask_noise, live_noise = np.random.default_rng(seed).spawn(2)
    output = photons / middle_of(np.exp(-paths.still)).mean()
    live = expose(paths.still + paths.added, output, beam, live_noise, xray)
    if mode == "unsubtracted":
        mask = np.full_like(live, photons)
    else:
        mask = expose(paths.still, output, beam, mask_noise, xray)
    signal = np.log(np.maximum(mask, LEAST_COUNT) / np.maximum(live, LEAST_COUNT))
    return Fluorogram(view, mode, beam, signal, photons)


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
    cortical, trabecular = bone_paths(skeleton.bones, shells, beam)
    soft = np.maximum(trunk_path(skeleton.skin, beam) - cortical - trabecular, 0.0)
    still = (
        xray.cortical_bone * cortical + xray.trabecular_bone * trabecular + xray.soft_tissue * soft
    )
    least = LEAST_PIXEL * beam.pitch_mm / beam.magnification
    axes = minor_axes(network, skeleton)
    pieces, density = vein_pieces(network, scene.mesh, axes, least)
    added = vein_paths(pieces, density * scene.added[pieces.cell], beam)
    return Paths(still, added)


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

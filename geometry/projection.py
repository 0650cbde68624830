"""Lengths of X-rays in veins, bones and trunk, from a point source to the pixels of a flat image.

**Bones** are their solids (:mod:`geometry.bones`): where a ray enters and leaves each of them is
exact, and what solids of one vertebra share counts once. **Veins** are points that fill them
(:mod:`geometry.lumen_points`), each with its shadow. **Catheters** are short cylinders
(:mod:`geometry.tube_pieces`). **The trunk** is the skin's swept ellipse.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter1d

from geometry.bones import Bones
from geometry.errors import GeometryError
from geometry.kernels.chords import Pieces, Rays, add_bone_paths, add_tube_paths
from geometry.kernels.shadows import add_shadows
from geometry.kernels.solids import BODY, BOX, FRAME, LAMINA, PEDICLE, PROCESS, SHAPE
from geometry.swept_ellipse import SweptEllipse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BONE_RAYS = (-0.25, 0.25)
"""Places of the rays of a pixel, pixels off its centre either way: an endplate seen edge on is
thinner than a pixel."""
TRUNK_STEP_MM = 4.0
"""Along a ray, where the trunk's thickness is sampled; the wall is found between samples."""
TRUNK_PIXELS = 24
"""Rays along either side of the image for which that is done; the rest lies between."""
TRUNK_SMOOTHING = 2.0
"""Of those rays, up and down: the ellipses of a bent trunk lie denser in front than behind."""


@dataclass(frozen=True)
class Beam:
    """A C-arm's source and flat detector about the isocentre.

    Angles are those of the detector seen from the isocentre: 0 in front of the patient, positive
    to the patient's left (LAO, 90: left lateral). The image is seen from the detector, head up.

    Attributes
    ----------
    isocentre : (3,) mm, RAS; in the middle of the image
    angle_deg : of the detector
    source_isocentre_mm, source_detector_mm : distances
    field_mm : side of the square detector
    pixels : along that side
    """

    isocentre: FloatArray
    angle_deg: float
    source_isocentre_mm: float
    source_detector_mm: float
    field_mm: float
    pixels: int

    def __post_init__(self) -> None:
        if not 0.0 < self.source_isocentre_mm < self.source_detector_mm < np.inf:
            raise GeometryError(
                f"source_isocentre_mm = {self.source_isocentre_mm} must be > 0 and less than "
                f"source_detector_mm = {self.source_detector_mm}"
            )
        if not (self.field_mm > 0.0 and self.pixels >= 1):
            raise GeometryError("a detector needs a side > 0 mm and at least one pixel")

    @property
    def pitch_mm(self) -> float:
        """Distance of two pixels on the detector."""
        return self.field_mm / self.pixels

    @property
    def magnification(self) -> float:
        """Of what lies at the isocentre."""
        return self.source_detector_mm / self.source_isocentre_mm

    @cached_property
    def towards_detector(self) -> FloatArray:
        """Unit vector (3,) from the source to the middle of the detector."""
        angle = np.radians(self.angle_deg)
        return np.array([-np.sin(angle), np.cos(angle), 0.0])

    @cached_property
    def right(self) -> FloatArray:
        """Unit vector (3,) to the right in the image."""
        return np.cross([0.0, 0.0, 1.0], self.towards_detector)

    @cached_property
    def source(self) -> FloatArray:
        """Focal spot, (3,) mm."""
        return np.asarray(self.isocentre - self.source_isocentre_mm * self.towards_detector)

    def rays(self, beside: float = 0.0) -> Rays:
        """For the kernels: from the source to every pixel, `beside` pixels off its centre."""
        middle = self.source + self.source_detector_mm * self.towards_detector
        across, down = self.pitch_mm * self.right, np.array([0.0, 0.0, -self.pitch_mm])
        corner = middle + (beside - 0.5 * (self.pixels - 1)) * (across + down)
        return Rays(self.source, corner, across, down)

    def coarse(self, pixels: int) -> Self:
        """Return the same view with other pixels."""
        return replace(self, pixels=pixels)

    def project(self, xyz: FloatArray) -> FloatArray:
        """Rows and columns (k, 2), pixels, on which points (k, 3) in front of the source fall."""
        away = np.atleast_2d(xyz) - self.source
        scale = self.source_detector_mm / (away @ self.towards_detector)
        middle = 0.5 * (self.pixels - 1)
        place = np.stack([-away[:, 2] * scale, (away @ self.right) * scale], axis=1)
        return np.asarray(place / self.pitch_mm + middle)

    def bounds(self, low: FloatArray, high: FloatArray) -> IntArray:
        """Rows and columns from projected corners `low` and `high` (k, 2), as the kernels take it.

        (k, 4): first row, one past the last, first column, one past the last; clipped.
        """
        first = np.clip(np.floor(low), 0, self.pixels)
        after = np.clip(np.ceil(high) + 1, 0, self.pixels)
        return np.stack([first[:, 0], after[:, 0], first[:, 1], after[:, 1]], axis=1).astype(int)


def point_paths(xyz: FloatArray, volume: FloatArray, spacing: FloatArray, beam: Beam) -> FloatArray:
    """Mean length of the rays of each pixel in what points stand for, (pixels, pixels) mm.

    Summed over the image with the size of a pixel at each point's depth, it is the volume.

    Parameters
    ----------
    xyz : (k, 3) mm
    volume : (k,) mm3, or that times whatever is to be summed along the rays
    spacing : (k,) mm, of the points
    """
    image = np.zeros((beam.pixels, beam.pixels))
    add_shadows(beam.rays(), xyz, volume, spacing, image)
    return image


def tube_path(pieces: Pieces, beam: Beam) -> FloatArray:
    """Length of each ray in the pieces of a tube, (pixels, pixels) mm."""
    image = np.zeros((beam.pixels, beam.pixels))
    half = 0.5 * np.linalg.norm(pieces.along, axis=1) + pieces.radius
    reach = np.sqrt(half**2 + pieces.radius**2)
    bounds = _ball_bounds(beam, pieces.start + 0.5 * pieces.along, reach)
    add_tube_paths(beam.rays(), pieces, bounds, image)
    return image


def _ball_bounds(beam: Beam, centre: FloatArray, radius: FloatArray) -> IntArray:
    """Bounds, as of :meth:`Beam.bounds`, of the shadows of balls."""
    depth = (centre - beam.source) @ beam.towards_detector
    # a ray to the detector's corner is slanted: a ball is a little longer across than its width
    slant = np.hypot(1.0, beam.field_mm / beam.source_detector_mm)
    wide = slant * radius * beam.source_detector_mm / (depth - radius) / beam.pitch_mm
    wide = np.where(depth > radius, wide, -np.inf)[:, None]  # no shadow of what is not in front
    place = beam.project(centre)
    return beam.bounds(place - wide, place + wide)


def bone_paths(
    bones: Bones, shell_mm: dict[int, float], beam: Beam
) -> tuple[FloatArray, FloatArray]:
    """Length of every ray in cortical and in trabecular bone, each (pixels, pixels) mm.

    Parameters
    ----------
    shell_mm : thickness of the cortex by the code of the solid's shape
    """
    bodies = bones.arrays
    solid = bodies.solid
    corner = np.indices((2, 2, 2)).reshape(3, -1).T
    low, high = np.empty((len(solid), 2)), np.empty((len(solid), 2))
    frames = list(bones.vertebrae.values())
    for s, row in enumerate(solid):
        box = np.where(corner, row[BOX + 3 : BOX + 6], row[BOX : BOX + 3])
        place = beam.project(frames[int(row[FRAME])].world(box))
        low[s], high[s] = place.min(axis=0), place.max(axis=0)
    bounds = beam.bounds(low, high)
    whole, inside = np.zeros((2, beam.pixels, beam.pixels))
    hollow = _hollowed(solid, shell_mm)
    for beside in BONE_RAYS:
        rays = beam.rays(beside)
        add_bone_paths(rays, solid, bodies.frame_start, bounds, whole)
        add_bone_paths(rays, hollow, bodies.frame_start, bounds, inside)
    whole /= len(BONE_RAYS)
    inside /= len(BONE_RAYS)
    return whole - inside, inside


def _hollowed(solid: FloatArray, shell_mm: dict[int, float]) -> FloatArray:
    """Solids less a shell: what they hold of trabecular bone. Ends where solids join stay open."""
    inner = solid.copy()
    for row in inner:
        shape = int(row[SHAPE])
        shell = shell_mm[shape]
        if shape == BODY:
            row[:3] -= shell
        elif shape == PEDICLE:
            row[2:4] -= shell
        elif shape == LAMINA:
            row[1:3] += shell
            row[3] -= 2.0 * shell
            row[4] += shell
            row[5] -= shell
        elif shape == PROCESS:
            row[6] -= shell
    return inner


def trunk_path(skin: SweptEllipse, beam: Beam) -> FloatArray:
    """Length of every ray within the skin, (pixels, pixels) mm; linear between sampled rays."""
    coarse = beam.coarse(min(TRUNK_PIXELS, beam.pixels))
    rays = coarse.rays()
    index = np.arange(coarse.pixels)
    pixel = rays.corner + index[:, None, None] * rays.down + index[None, :, None] * rays.across
    way = pixel - rays.source
    length = np.linalg.norm(way, axis=2)
    steps = int(np.ceil(length.max() / TRUNK_STEP_MM))
    share = (np.arange(steps) + 0.5) / steps
    xyz = rays.source + share[:, None, None, None] * way
    distance = skin.distance(xyz.reshape(-1, 3)).reshape(steps, *length.shape)
    step = length / steps
    path = (step * np.clip(0.5 - distance / step, 0.0, 1.0)).sum(axis=0)
    fine = (np.arange(beam.pixels) + 0.5) * coarse.pixels / beam.pixels - 0.5
    path = gaussian_filter1d(path, TRUNK_SMOOTHING, axis=0, mode="nearest")
    spline = RectBivariateSpline(index, index, path)
    return np.asarray(spline(fine, fine))

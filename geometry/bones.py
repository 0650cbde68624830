"""Bone solids: bodies, pedicles, laminae and processes, as shapes with sizes and as meshes.

Ribs and articular processes are left out: the foramen is bounded by pedicles, body and lamina.
Distances to them are in :mod:`geometry.kernels.solids`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.solids import (
    AXES,
    BODY,
    BOX,
    COLUMNS,
    FRAME,
    HEIGHT,
    LAMINA,
    ORIGIN,
    PEDICLE,
    PROCESS,
    SHAPE,
    SIZE,
    Bodies,
    distances,
)
from geometry.levels import SIDES, Level
from geometry.swept_ellipse import tube_triangles
from geometry.vertebra import Frame, Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FLAT_POWER = 4.0
"""Exponent of the hind half of a body's outline: 2 is an ellipse, infinity a box."""
PEDICLE_REACH = 0.55
"""How far back pedicles go, in canal depths."""
PEDICLE_ROOT_MM = 3.0
"""How deep a pedicle is rooted in its body."""
LAMINA_SPAN = (-0.55, 0.30)
"""Lower and upper edge of a lamina, in body heights: the gap below is ligamentum flavum."""
PROCESS_RADIUS_MM = 3.0
TRANSVERSE_BACK_DEG = 25.0
NEAR_MM = 20.0
"""Distances to bone are cut off here unless asked otherwise: wider than any trunk."""


class Solid(Protocol):
    """A solid in the frame of its vertebra."""

    @property
    def name(self) -> str:
        """What bone it is part of, such as ``body`` or ``lamina``."""

    @property
    def shape(self) -> int:
        """Code of the shape in the kernels."""

    def sizes(self) -> tuple[float, ...]:
        """Its sizes in the order of the kernels, mm, at most eight."""

    def mesh(self) -> tuple[FloatArray, IntArray]:
        """Vertices (v, 3) in the local frame and triangles (t, 3)."""


def _closed_tube(rings: FloatArray) -> tuple[FloatArray, IntArray]:
    """Closed surface over `rings` (r, n, 3): a tube with a fan at either end."""
    count, around, _ = rings.shape
    vertices = np.vstack([rings.reshape(-1, 3), rings[0].mean(axis=0), rings[-1].mean(axis=0)])
    spoke = np.arange(around)
    after = (spoke + 1) % around
    first = np.stack([after, spoke, np.full(around, count * around)], axis=1)
    base = (count - 1) * around
    last = np.stack([base + spoke, base + after, np.full(around, count * around + 1)], axis=1)
    return vertices, np.concatenate([tube_triangles(count, around), first, last])


@dataclass(frozen=True)
class Body:
    """Vertebral body: upright cylinder, round in front and flat behind."""

    shape: ClassVar[int] = BODY
    width: float
    depth: float
    height: float
    name: str = "body"

    def sizes(self) -> tuple[float, ...]:
        """Semi-axes of the outline, half the height."""
        return self.width / 2, self.depth / 2, self.height / 2

    def mesh(self) -> tuple[FloatArray, IntArray]:
        """Surface."""
        angle = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)
        cos, sin = np.cos(angle), np.sin(angle)
        power = np.where(sin > 0, 2.0, FLAT_POWER)
        radius = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
        outline = np.stack([cos * radius * self.width / 2, sin * radius * self.depth / 2], axis=1)
        rings = np.stack(
            [
                np.column_stack([outline, np.full(48, z)])
                for z in (-self.height / 2, self.height / 2)
            ]
        )
        return _closed_tube(rings)


@dataclass(frozen=True)
class Pedicle:
    """Elliptic cylinder from the body backwards, along y."""

    shape: ClassVar[int] = PEDICLE
    x: float
    z: float
    width: float
    height: float
    y_front: float
    y_back: float
    name: str = "pedicle"

    def sizes(self) -> tuple[float, ...]:
        """Centre and semi-axes (x, z) of the section, front and back end."""
        return self.x, self.z, self.width / 2, self.height / 2, self.y_front, self.y_back

    def mesh(self) -> tuple[FloatArray, IntArray]:
        """Surface."""
        angle = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
        x = self.x + np.cos(angle) * self.width / 2
        z = self.z + np.sin(angle) * self.height / 2
        rings = [np.stack([x, np.full(24, y), z], axis=1) for y in (self.y_front, self.y_back)]
        return _closed_tube(np.stack(rings))


@dataclass(frozen=True)
class Lamina:
    """Both laminae: the hind half of a shell round the canal."""

    shape: ClassVar[int] = LAMINA
    y_centre: float
    half_width: float
    half_depth: float
    thickness: float
    z_low: float
    z_high: float
    name: str = "lamina"

    def sizes(self) -> tuple[float, ...]:
        """Centre, inner semi-axes, thickness, lower and upper edge."""
        inner = self.half_width, self.half_depth
        return self.y_centre, *inner, self.thickness, self.z_low, self.z_high

    def mesh(self) -> tuple[FloatArray, IntArray]:
        """Surface."""
        angle = np.linspace(np.pi, 2 * np.pi, 25)
        rings = np.empty((25, 4, 3))
        corners = ((0, self.z_low), (1, self.z_low), (1, self.z_high), (0, self.z_high))
        for i, (out, z) in enumerate(corners):
            rings[:, i, 0] = np.cos(angle) * (self.half_width + out * self.thickness)
            rings[:, i, 1] = self.y_centre + np.sin(angle) * (
                self.half_depth + out * self.thickness
            )
            rings[:, i, 2] = z
        return _closed_tube(rings)


@dataclass(frozen=True)
class Process:
    """Spinous or transverse process: a rod with round ends."""

    shape: ClassVar[int] = PROCESS
    start: FloatArray
    end: FloatArray
    radius: float
    name: str

    def sizes(self) -> tuple[float, ...]:
        """Start, way to the end, radius."""
        return *self.start.tolist(), *(self.end - self.start).tolist(), self.radius

    def mesh(self) -> tuple[FloatArray, IntArray]:
        """Surface."""
        axis = (self.end - self.start) / np.linalg.norm(self.end - self.start)
        across = np.cross(axis, [0.0, 0.0, 1.0])
        across /= np.linalg.norm(across)
        other = np.cross(axis, across)
        angle = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
        circle = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other
        cap = np.radians([80.0, 55.0, 30.0, 0.0])
        stations = [(self.start, -np.sin(c), np.cos(c)) for c in cap]
        stations += [(self.end, np.sin(c), np.cos(c)) for c in cap[::-1]]
        rings = [p + self.radius * (along * axis + out * circle) for p, along, out in stations]
        return _closed_tube(np.stack(rings))


def build_bones(vertebra: Vertebra) -> tuple[Solid, ...]:
    """Solids of one vertebra in its frame."""
    size = vertebra.size
    wall, centre = vertebra.posterior_wall_y, vertebra.canal_centre_y
    back = wall - PEDICLE_REACH * vertebra.canal_depth
    low, high = (f * vertebra.body_height for f in LAMINA_SPAN)
    solids: list[Solid] = []
    if vertebra.has_body:
        solids.append(Body(vertebra.body_width, vertebra.body_depth, vertebra.body_height))
    solids.append(
        Lamina(
            centre, vertebra.canal_width / 2, vertebra.canal_depth / 2, size.lamina_thickness,
            low, high,
        )
    )  # fmt: skip
    root = np.array(
        [0.0, wall - vertebra.canal_depth - size.lamina_thickness / 2, (low + high) / 2]
    )
    tilt = np.radians(size.spinous_tilt_deg)
    tip = root + size.spinous_length * np.array([0.0, -np.cos(tilt), -np.sin(tilt)])
    solids.append(Process(root, tip, PROCESS_RADIUS_MM, "spinous_process"))
    lateral = np.radians(TRANSVERSE_BACK_DEG)
    for side in SIDES:
        x = side * vertebra.pedicle_x
        solids.append(
            Pedicle(
                x, vertebra.pedicle_z, vertebra.pedicle_width, vertebra.pedicle_height,
                wall + PEDICLE_ROOT_MM, back,
            )
        )  # fmt: skip
        base = np.array([x, back, vertebra.pedicle_z])
        out = size.transverse_length * np.array([side * np.cos(lateral), -np.sin(lateral), 0.0])
        solids.append(Process(base, base + out, PROCESS_RADIUS_MM, "transverse_process"))
    return tuple(solids)


@dataclass(frozen=True)
class Bones:
    """All solids of a spine, each with the box that bounds it in its vertebra's frame.

    Attributes
    ----------
    vertebrae : frames by level
    solids : by level, in the frame of the vertebra
    """

    vertebrae: dict[Level, Vertebra]
    solids: dict[Level, tuple[Solid, ...]]

    @cached_property
    def arrays(self) -> Bodies:
        """All solids for the kernels."""
        rows, boxes, start = [], [], [0]
        for number, (level, solids) in enumerate(self.solids.items()):
            own, surface = solid_rows(self.vertebrae[level], solids, number)
            rows.append(own)
            boxes.append(np.concatenate([surface.min(axis=0), surface.max(axis=0)]))
            start.append(start[-1] + len(own))
        return Bodies(np.vstack(rows), np.array(start), np.array(boxes))

    def distance(self, xyz: FloatArray, *, near: float = NEAR_MM) -> FloatArray:
        """Signed distance (k,) of world points (k, 3) to the nearest bone, mm, at most `near`.

        To first order in the distance: exact at the surface.
        """
        return distances(self.arrays, xyz, near)

    def mesh(self, level: Level) -> tuple[FloatArray, IntArray]:
        """Surface of one vertebra: world vertices (v, 3) and triangles (t, 3)."""
        vertices, triangles, first = [], [], 0
        for solid in self.solids[level]:
            points, faces = solid.mesh()
            vertices.append(self.vertebrae[level].world(points))
            triangles.append(faces + first)
            first += len(points)
        return np.vstack(vertices), np.vstack(triangles)


def solid_rows(
    frame: Frame, solids: Sequence[Solid], number: float
) -> tuple[FloatArray, FloatArray]:
    """Solids of one frame for the kernels, (s, COLUMNS), and their surfaces' vertices in world.

    `number` tells the frame from others.
    """
    corner = np.indices((2, 2, 2)).reshape(3, -1).T  # which of the two, for all eight
    surfaces = [solid.mesh()[0] for solid in solids]
    rows = np.zeros((len(solids), COLUMNS))
    for row, solid, surface in zip(rows, solids, surfaces, strict=True):
        box = np.array([surface.min(axis=0), surface.max(axis=0)])
        z = frame.world(np.where(corner, box[1], box[0]))[:, 2]
        row[SIZE : SIZE + len(solid.sizes())] = solid.sizes()
        row[BOX : BOX + 6] = box.ravel()
        row[HEIGHT : HEIGHT + 2] = z.min(), z.max()
        row[ORIGIN : ORIGIN + 3], row[AXES : AXES + 9] = frame.origin, frame.axes.ravel()
        row[SHAPE], row[FRAME] = solid.shape, number
    return rows, frame.world(np.vstack(surfaces))

"""Triangle surfaces for pictures: tubes along centrelines, marks, solids with their edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyvista as pv
from scipy.ndimage import binary_dilation, binary_opening

from geometry.flowmesh import BoolArray
from geometry.network import FloatArray, IntArray

FEATURE_ANGLE_DEG = 45.0
EVEN_TURNS, EVEN_BAND = 20, 0.1
"""Turns of the filter, and the waves that pass it: those of a few cubes and longer."""
SPHERE_RINGS = 5
SPHERE_WAIST = 0.05
"""Length of the tube between the two halves of a sphere, in radii: it needs some."""


@dataclass(frozen=True)
class Surface:
    """Triangles with smooth normals that point outwards.

    Attributes
    ----------
    points : (v, 3) mm
    normals : (v, 3) unit vectors
    triangles : (t, 3) indices of points, counter-clockwise from outside
    """

    points: FloatArray
    normals: FloatArray
    triangles: IntArray

    @property
    def n_triangles(self) -> int:
        """Number of triangles."""
        return len(self.triangles)

    def polydata(self) -> pv.PolyData:
        """Return the surface as PyVista draws it."""
        mesh = _polydata(self.points, self.triangles)
        mesh.point_data["Normals"] = self.normals
        mesh.point_data.active_normals_name = "Normals"
        return mesh

    @classmethod
    def joined(cls, surfaces: Sequence["Surface"]) -> "Surface":
        """All surfaces as one; none gives a surface without triangles."""
        if not surfaces:
            return cls(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
        first = np.cumsum([0, *(len(s.points) for s in surfaces[:-1])])
        return cls(
            np.vstack([s.points for s in surfaces]),
            np.vstack([s.normals for s in surfaces]),
            np.vstack([s.triangles + k for s, k in zip(surfaces, first, strict=True)]),
        )


def tube(points: FloatArray, radius: FloatArray, sides: int, cap_rings: int = 2) -> Surface:
    """Round tube with rounded ends along a polyline.

    Parameters
    ----------
    points : (k, 3) mm, k >= 2, neighbours apart
    radius : (k,) mm
    sides : corners of the cross-section
    cap_rings : rings between the tube and the pole of an end; 0 makes it a cone
    """
    across, normal = _frames(points)
    tangent = np.cross(across, normal)
    turn = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    # rows of rings: (ring, side, 3)
    radial = (
        np.cos(turn)[None, :, None] * across[:, None]
        + np.sin(turn)[None, :, None] * normal[:, None]
    )
    rings = points[:, None] + radius[:, None, None] * radial
    start, start_normal = _cap(points[0], -tangent[0], radial[0], radius[0], cap_rings)
    end, end_normal = _cap(points[-1], tangent[-1], radial[-1], radius[-1], cap_rings)
    rings = np.concatenate([start[::-1], rings, end])
    normals = np.concatenate([start_normal[::-1], radial, end_normal])
    poles = np.stack([points[0] - radius[0] * tangent[0], points[-1] + radius[-1] * tangent[-1]])
    count = len(rings)
    return Surface(
        np.vstack([rings.reshape(-1, 3), poles]),
        np.vstack([normals.reshape(-1, 3), -tangent[0], tangent[-1]]),
        _ring_triangles(count, sides),
    )


def sphere(centre: FloatArray, radius: float, sides: int) -> Surface:
    """Small sphere, for a mark."""
    axis = np.array([0.0, 0.0, SPHERE_WAIST])
    return tube(centre + radius * np.stack([-axis, axis]), np.full(2, radius), sides, SPHERE_RINGS)


def smooth(points: FloatArray, triangles: IntArray) -> Surface:
    """Give triangles (t, 3) over points (v, 3) normals that break at edges only."""
    mesh = _polydata(points, triangles).compute_normals(
        cell_normals=False, split_vertices=True, feature_angle=FEATURE_ANGLE_DEG
    )
    return Surface(
        np.asarray(mesh.points, dtype=float),
        np.asarray(mesh.point_data["Normals"], dtype=float),
        np.asarray(mesh.regular_faces, dtype=np.int64),
    )


def part_above(
    surface: Surface, values: FloatArray, least: float, carried: FloatArray
) -> tuple[Surface, FloatArray]:
    """The part of a surface where a field is large enough, cut where it passes that value.

    Parameters
    ----------
    values : (v,) of the field, linear between vertices
    least : of `values` on the part
    carried : (v,) another field

    Returns
    -------
    The part, and `carried` on its vertices: those of `surface`, then those along the cut.
    """
    inside = (values >= least)[surface.triangles].sum(axis=1)
    whole = surface.triangles[inside == 3]
    used, triangles = np.unique(surface.triangles[(inside > 0) & (inside < 3)], return_inverse=True)
    kept = Surface(surface.points, surface.normals, whole)
    if not len(used):
        return kept, carried
    rim = Surface(surface.points[used], surface.normals[used], triangles.reshape(-1, 3)).polydata()
    rim.point_data["value"], rim.point_data["carried"] = values[used], carried[used]
    cut = rim.clip_scalar(scalars="value", invert=False, value=least).triangulate()
    edge = Surface(
        np.asarray(cut.points, dtype=float),
        np.asarray(cut.point_data["Normals"], dtype=float),
        np.asarray(cut.regular_faces, dtype=np.int64),
    )
    joined = Surface.joined([kept, edge])
    return joined, np.concatenate([carried, np.asarray(cut.point_data["carried"])])


def lighter(surface: Surface, most: int) -> Surface:
    """A surface of about `most` triangles, as near to this one as they allow."""
    if surface.n_triangles <= most:
        return surface
    mesh = surface.polydata().decimate(1.0 - most / surface.n_triangles)
    return smooth(np.asarray(mesh.points, dtype=float), np.asarray(mesh.regular_faces))


def contour(grid_values: FloatArray, origin: FloatArray, spacing: float, level: float) -> Surface:
    """Surface where values (nx, ny, nz) on a grid fall below a level; 0 outside the grid.

    Parameters
    ----------
    origin : (3,) mm, of the first point
    spacing : mm
    """
    padded = np.pad(grid_values, 1)
    image = pv.ImageData(dimensions=padded.shape, spacing=(spacing,) * 3, origin=origin - spacing)
    image.point_data["value"] = padded.ravel(order="F")
    mesh = image.contour([level], scalars="value", method="flying_edges", compute_normals=True)
    return Surface(
        np.asarray(mesh.points, dtype=float),
        np.asarray(mesh.point_data["Normals"], dtype=float),
        np.asarray(mesh.regular_faces, dtype=np.int64),
    )


def without_stairs(surface: Surface, stays: BoolArray) -> Surface:
    """A surface about cubes without their steps, by a windowed sinc filter (Taubin).

    A body of three cubes and more across keeps what it holds to 1 %, one of two cubes to 5 %; the
    filter would draw thinner ones together to nothing, so that their vertices must stay.

    Parameters
    ----------
    stays : (v,) vertices that are not moved
    """
    if not surface.n_triangles:
        return surface
    mesh = surface.polydata()
    even = mesh.smooth_taubin(n_iter=EVEN_TURNS, pass_band=EVEN_BAND)
    mesh.points = np.where(stays[:, None], mesh.points, even.points)
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)
    return Surface(
        np.asarray(mesh.points, dtype=float),
        np.asarray(mesh.point_data["Normals"], dtype=float),
        surface.triangles,
    )


def thin(held: BoolArray) -> BoolArray:
    """Cubes (nx, ny, nz) of bodies less than two cubes wide, but those that touch wider ones."""
    wide = binary_opening(np.pad(held, 1), np.ones((2, 2, 2)))
    near = binary_dilation(wide, np.ones((3, 3, 3)))[1:-1, 1:-1, 1:-1]
    return np.asarray(held & ~near)


def _polydata(points: FloatArray, triangles: IntArray) -> pv.PolyData:
    cells = np.insert(triangles, 0, 3, axis=1)
    return pv.PolyData(points, faces=cells.ravel())


def _frames(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across the polyline at every point, carried along without twist."""
    step = np.diff(points, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    tangent = np.vstack([step[:1], step[:-1] + step[1:], step[-1:]])
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    # a polyline that turns back on itself has no mean direction: keep the one it came with
    tangent = np.where(
        length > 1e-9, tangent / np.maximum(length, 1e-9), np.vstack([step, step[-1:]])
    )
    across = np.empty_like(points)
    guide = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    for k, direction in enumerate(tangent):
        guide = guide - (guide @ direction) * direction
        size = np.linalg.norm(guide)
        if size < 1e-6:  # a right angle ate the guide: any other will do
            guide = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
            size = np.linalg.norm(guide)
        guide = guide / size
        across[k] = guide
    return across, np.cross(tangent, across)


def _cap(
    centre: FloatArray, outwards: FloatArray, radial: FloatArray, radius: float, rings: int
) -> tuple[FloatArray, FloatArray]:
    """Rings (j, side, 3) and normals of a rounded end, from the tube to the pole."""
    latitude = np.linspace(0.0, np.pi / 2.0, rings + 2)[1:-1, None, None]
    normal = np.cos(latitude) * radial[None] + np.sin(latitude) * outwards
    return centre + radius * normal, normal


def _ring_triangles(rings: int, sides: int) -> IntArray:
    """Triangles of stacked rings, and of two poles that follow the rings' points."""
    first = sides * np.arange(rings - 1)[:, None]
    here = np.arange(sides)[None]
    beside = (here + 1) % sides
    lower = np.stack([first + here, first + beside, first + sides + beside], axis=-1)
    upper = np.stack([first + here, first + sides + beside, first + sides + here], axis=-1)
    south = np.full(sides, rings * sides)
    north = south + 1
    last = (rings - 1) * sides
    bottom = np.stack([south, beside[0], here[0]], axis=-1)
    top = np.stack([north, last + here[0], last + beside[0]], axis=-1)
    return np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3), bottom, top])

"""Surface of the lumen: a closed mesh of all veins, or of those in a window of levels.

The signed distance of :mod:`geometry.lumen` is contoured by flying edges (Schroeder, Maynard,
Geveci, "Flying edges", IEEE LDAV 2015), as VTK has them. A window is cut off by level planes
half-way between vertebrae, and what is cut is closed.
"""

import os
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.anatomy import Anatomy
from geometry.errors import GeometryError
from geometry.kernels.lumen import Capsules
from geometry.kernels.triangles import part_volumes, parts
from geometry.levels import VERTEBRAE, Level
from geometry.lumen import EVERYWHERE, Grid, Lumen, at_least, capsules_of, lumen, minor_axes
from geometry.network import VesselNetwork

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WHOLE_SPACING_MM, WINDOW_SPACING_MM = 0.8, 0.4
"""Spacing of the grid where none is given: for the whole spine, for a window of levels."""
BLEND_MM = 0.1
"""Length of the smooth union: rounds a crotch by 0.07 mm."""
LEAST_RADIUS = 0.75
"""Spacings: a thinner vein, which would fall between the nodes, is drawn as thick as this."""
BAND = 2.0
"""Spacings to which the distance is needed outside the lumen, to place and to smooth its wall."""
BEYOND_MM = 8.0
"""A piece of vein that a window cuts may end so far outside it, and is flat there too."""
MARGIN = 2
"""Empty nodes round the lumen."""
OFF_WALL = 1e-3
"""Spacings that no node is nearer to the wall: a corner there would give a triangle no area."""
BYTES_PER_NODE = 8
"""Peak memory: a distance, and a share of lists and triangles."""
MOST_MEMORY = 0.5
"""Share of this machine's memory that a surface may take."""


@dataclass(frozen=True)
class LumenSurface:
    """Closed triangle mesh of the lumen. Every vertex knows the place on a vein that it belongs to.

    Attributes
    ----------
    points : (v, 3) mm, RAS
    normals : (v, 3) unit vectors, outwards
    triangles : (t, 3) indices of points, counter-clockwise from outside
    branch : (v,) of the network, the nearest
    arc : (v,) mm from the start of that branch
    structure, level, side : (v,) codes of that branch
    spacing : mm, of the grid
    least_radius : mm; thinner veins are drawn as thick as this
    """

    points: FloatArray
    normals: FloatArray
    triangles: IntArray
    branch: IntArray
    arc: FloatArray
    structure: IntArray
    level: IntArray
    side: IntArray
    spacing: float
    least_radius: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @cached_property
    def _parts(self) -> FloatArray:
        """Enclosed volumes of all connected parts, mm3; those of hollows are negative."""
        part = parts(self.triangles, len(self.points))
        volume = part_volumes(self.points, self.triangles, part)
        return np.asarray(volume[volume != 0.0])

    @property
    def volume(self) -> float:
        """Enclosed volume, mm3; positive where triangles face outwards."""
        return float(self._parts.sum())

    @property
    def bodies(self) -> FloatArray:
        """Volumes of the bodies that come apart when it is printed, mm3, the largest first."""
        return -np.sort(-self._parts[self._parts > 0.0])

    @cached_property
    def open_edges(self) -> int:
        """Edges that two triangles do not share, one each way; 0: closed and manifold."""
        n = len(self.points)
        one, two = self.triangles, np.roll(self.triangles, -1, axis=1)
        forth, count = np.unique((one * n + two).ravel(), return_counts=True)
        back = np.isin((two * n + one).ravel(), forth)
        return int((count > 1).sum() + (~back).sum())


def lumen_surface(
    anatomy: Anatomy,
    levels: tuple[Level, Level] | None = None,
    *,
    spacing_mm: float | None = None,
    blend_mm: float = BLEND_MM,
    threads: int = 1,
) -> LumenSurface:
    """Contour the lumen of all veins, or of those between two vertebrae.

    Parameters
    ----------
    levels : upper and lower vertebra, both included: the window reaches from the middle between
        the upper one and its neighbour above to the middle between the lower one and its
        neighbour below. None: all veins
    spacing_mm : of the grid; 0.8 for all, 0.4 for a window
    blend_mm : length over which strands that meet are rounded off; 0: they keep their crotch
    threads : that share the work; the surface does not hang on them

    Raises
    ------
    GeometryError
        If a level is no vertebra or the upper one lies lower, the spacing is no length, or the
        grid would not fit into this machine's memory.
    """
    step = spacing_mm
    if step is None:
        step = WHOLE_SPACING_MM if levels is None else WINDOW_SPACING_MM
    heights = EVERYWHERE if levels is None else window_heights(anatomy, *levels)
    network = anatomy.network
    beyond = heights[0] - BEYOND_MM, heights[1] + BEYOND_MM
    return network_surface(
        network,
        minor_axes(network, anatomy.skeleton, beyond),
        heights=heights,
        spacing_mm=step,
        blend_mm=blend_mm,
        threads=threads,
    )


def network_surface(
    network: VesselNetwork,
    minor_axis: FloatArray | None = None,
    *,
    spacing_mm: float,
    heights: tuple[float, float] = EVERYWHERE,
    blend_mm: float = BLEND_MM,
    threads: int = 1,
) -> LumenSurface:
    """As :func:`lumen_surface`, of any network.

    Parameters
    ----------
    minor_axis : (p, 3) as :func:`geometry.lumen.capsules_of` takes it
    heights : mm, the lumen is cut off below the first and above the second
    """
    return capsule_surface(
        network, capsules_of(network, minor_axis),
        spacing_mm=spacing_mm, heights=heights, blend_mm=blend_mm, threads=threads,
    )  # fmt: skip


def capsule_surface(
    network: VesselNetwork,
    capsules: Capsules,
    *,
    spacing_mm: float,
    heights: tuple[float, float] = EVERYWHERE,
    blend_mm: float = BLEND_MM,
    threads: int = 1,
) -> LumenSurface:
    """As :func:`network_surface`, of some pieces of a network."""
    if not (np.isfinite(spacing_mm) and spacing_mm > 0):
        raise GeometryError(f"spacing_mm = {spacing_mm} must be finite and > 0 mm")
    least = LEAST_RADIUS * spacing_mm
    capsules = _between(at_least(capsules, least), *heights)
    if not len(capsules.start):
        raise GeometryError(
            f"no vein lies between the heights {heights[0]:g} and {heights[1]:g} mm"
        )
    grid = _grid(capsules, spacing_mm, *heights)
    _check_memory(grid)
    field = lumen(
        capsules, grid, band_mm=BAND * spacing_mm + blend_mm, blend_mm=blend_mm, heights=heights,
        off_wall_mm=OFF_WALL * spacing_mm, threads=threads,
    )  # fmt: skip
    points, triangles, normals = _without_cavities(*_contour(field))
    nearest = field.nearest(points)
    branch = capsules.branch[nearest]
    return LumenSurface(
        points=points,
        normals=normals,
        triangles=triangles,
        branch=branch,
        arc=field.arc(nearest, points),
        structure=network.branch_structure[branch],
        level=network.branch_level[branch],
        side=network.branch_side[branch],
        spacing=spacing_mm,
        least_radius=least,
    )


def window_heights(anatomy: Anatomy, upper: Level, lower: Level) -> tuple[float, float]:
    """Heights, mm, between which a window of vertebrae lies, half-way to their neighbours.

    Beyond C1 and S1 there is no neighbour, and no bound.

    Raises
    ------
    GeometryError
        If a level is no vertebra, or `upper` lies below `lower`.
    """
    for level in (upper, lower):
        if level not in VERTEBRAE:
            raise GeometryError(f"{level.name} is a root, no vertebra: name one from C1 to S1")
    if upper > lower:
        raise GeometryError(
            f"levels {upper.name}:{lower.name} run upwards: name the upper one first, "
            f"{lower.name}:{upper.name}"
        )
    z = [float(anatomy.skeleton.vertebra(level).origin[2]) for level in VERTEBRAE]
    half_way = [np.inf, *((above + below) / 2 for above, below in pairwise(z)), -np.inf]
    return half_way[VERTEBRAE.index(lower) + 1], half_way[VERTEBRAE.index(upper)]


def _between(capsules: Capsules, low: float, high: float) -> Capsules:
    """Capsules that reach into the heights from `low` to `high`."""
    ends = np.stack([capsules.start[:, 2], capsules.start[:, 2] + capsules.along[:, 2]])
    radius = capsules.major.max(axis=1)
    inside = (ends.max(axis=0) + radius > low) & (ends.min(axis=0) - radius < high)
    return Capsules(*(column[inside] for column in capsules))


def _grid(capsules: Capsules, step: float, low: float, high: float) -> Grid:
    """Grid round the capsules as far as they lie between two heights."""
    ends = np.stack([capsules.start, capsules.start + capsules.along])
    radius = capsules.major.max(axis=1)[:, None]
    corner, far = (ends.min(axis=0) - radius).min(axis=0), (ends.max(axis=0) + radius).max(axis=0)
    corner[2], far[2] = max(corner[2], low), min(far[2], high)
    return Grid.around(corner - MARGIN * step, far + MARGIN * step, step)


def _check_memory(grid: Grid) -> None:
    estimate = BYTES_PER_NODE * grid.n_nodes
    allowed = MOST_MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if estimate > allowed:
        raise GeometryError(
            f"a spacing of {grid.spacing:g} mm takes about {estimate / 1e9:.0f} GB, and "
            f"{allowed / 1e9:.0f} GB are allowed on this machine: "
            "take a coarser one or fewer levels"
        )


def _without_cavities(
    points: FloatArray, triangles: IntArray, normals: FloatArray
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Leave out closed parts that enclose what is outside: bubbles between strands that meet."""
    part = parts(triangles, len(points))
    volume = part_volumes(points, triangles, part)
    solid = volume >= 0.0
    if solid.all():
        return points, triangles, normals
    kept = solid[part]
    place = np.cumsum(kept) - 1
    return points[kept], place[triangles[kept[triangles[:, 0]]]], normals[kept]


def _contour(field: Lumen) -> tuple[FloatArray, IntArray, FloatArray]:
    """Vertices (v, 3), triangles (t, 3) and outward normals (v, 3) where the distance is 0."""
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    grid, image = field.grid, vtkImageData()
    # VTK runs through x fastest and the array through z: the image's axes are z, y, x
    image.SetDimensions(*grid.shape[::-1])
    vtk: Any = numpy_support  # has no types
    values = vtk.numpy_to_vtk(field.distance.ravel(), deep=False)
    image.GetPointData().SetScalars(values)
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.0)
    edges.ComputeNormalsOn()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    mesh = edges.GetOutput()
    if not mesh.GetNumberOfPoints():
        raise GeometryError(f"no vein is seen at a spacing of {grid.spacing:g} mm")
    place = vtk.vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)[:, ::-1]
    # VTK's normals point to lower values, into the lumen; its triangles, which turn about these,
    # are turned the other way by the exchange of x and z
    normals = -vtk.vtk_to_numpy(mesh.GetPointData().GetNormals()).astype(float)[:, ::-1]
    triangles = vtk.vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).astype(np.int64)
    points = np.array(grid.origin) + grid.spacing * place
    return points, triangles.reshape(-1, 3), np.ascontiguousarray(normals)

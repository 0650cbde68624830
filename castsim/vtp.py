"""Every vein as a centreline polyline, or all as a surface, in VTK's format.

For ParaView and 3D Slicer.

A polyline is one branch of the network, a point one cell of the mesh on it; a cell that
several branches share at a junction is written once for each, as VMTK does. Quantities
that change along a vein are point arrays, labels are cell arrays.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from castsim.polydata import Boxes, PolyLines, PolyTriangles, Values
from castsim.units import PA_PER_MMHG, UL_PER_ML
from geometry.levels import Level, Side
from geometry.network import FloatArray, VesselNetwork
from geometry.structures import Structure

if TYPE_CHECKING:
    from castsim.cast import Cast
    from castsim.voxel_cast import VoxelCast
    from geometry.surface import LumenSurface

NEVER = -1.0
"""Value of every arrival array where agent never came: NaN breaks colour maps and thresholds."""

LOG = {
    "time": ("log_time_s", 1.0),
    "volume": ("log_volume_mL", UL_PER_ML),
    "tip_pressure": ("log_tip_pressure_mmHg", PA_PER_MMHG),
    "azygos": ("log_azygos_mL", UL_PER_ML),
    "embolised": ("log_embolised_mL", UL_PER_ML),
    "hazard": ("log_hazard_mL", UL_PER_ML),
}
"""Column of the log → its name in the file, and its unit there."""

_NOTES = (
    ("SPACE", "RAS"),
    ("units", "coordinates, Radius and MaximumInscribedSphereRadius in mm; others in their names"),
    ("Radius", "radius of the circle that has the area of the elliptic lumen, mm"),
    ("MaximumInscribedSphereRadius", "minor semi-axis of the elliptic lumen, mm"),
    ("disclaimer", "Research and education, not a medical device"),
)
_SURFACE_NOTES = (
    ("SPACE", "RAS"),
    ("units", "coordinates and arc_mm in mm"),
    ("thin_veins", "veins thinner than least_radius_mm are drawn as thick as that"),
    ("disclaimer", "Research and education, not a medical device"),
)
_VOXEL_NOTES = (
    ("SPACE", "RAS"),
    ("units", "coordinates and spacing_mm in mm; others in their names"),
    (
        "lumen",
        "cubes are cut by the wall where they touch it; thin veins are no cubes",
    ),
    ("disclaimer", "Research and education, not a medical device"),
)
_CAST_NOTES = (
    ("never", f"{NEVER:g} in arrival_* and filled_* where agent never came"),
    ("arrival", "arrival_*: agent first enters the cell; filled_*: the cell is full of it"),
)


def network_polydata(network: VesselNetwork) -> PolyLines:
    """Veins of an anatomy as polylines.

    Parameters
    ----------
    network : b branches, p points

    Returns
    -------
    b polylines and p points in mm, RAS, with the arrays `Radius`,
    `MaximumInscribedSphereRadius`, `radius_major_mm` and `radius_minor_mm` of every point
    and codes and names of structure, level and side of every branch.
    """
    line_data, field_data = _labels(network)
    return PolyLines(
        points=_single(network.point_xyz),
        offset=network.point_offset,
        point_data=_radii(network.point_radius, network.point_radius_minor),
        line_data=line_data,
        field_data=field_data | _notes(_NOTES),
    )


def cast_polydata(cast: "Cast") -> PolyLines:
    """Veins and cast as polylines, one point a cell of the mesh.

    To the arrays of :func:`network_polydata` come, for every point, `arrival_volume_mL`,
    `arrival_time_s`, `filled_volume_mL`, `filled_time_s` (-1: never), `saturation` and
    `solid_fraction` (0 to 1), and of a cast on cubes `is_cubes`: 1 where it is among these.
    """
    cell, flow = cast.mesh.polyline_cell, cast.mesh.flow
    arrivals = {
        "arrival_volume_mL": cast.first_volume / UL_PER_ML,
        "arrival_time_s": cast.first_time,
        "filled_volume_mL": cast.full_volume / UL_PER_ML,
        "filled_time_s": cast.full_time,
    }
    point_data = _radii(flow.cell_radius[cell], flow.cell_radius_minor[cell])
    for name, values in arrivals.items():
        point_data[name] = _single(np.where(np.isfinite(values), values, NEVER)[cell])
    point_data["saturation"] = _single(cast.saturation[cell])
    point_data["solid_fraction"] = _single(cast.solid_fraction[cell])
    if cast.voxels is not None:
        point_data["is_cubes"] = cast.voxels.is_cubes[cell].astype(np.uint8)
    line_data, field_data = _labels(cast.anatomy.network)
    return PolyLines(
        points=_single(flow.cell_centroid[cell]),
        offset=cast.mesh.polyline_offset,
        point_data=point_data,
        line_data=line_data,
        field_data=field_data | _notes((*_NOTES, *_CAST_NOTES)),
        shown="arrival_volume_mL",
    )


def voxel_boxes(voxels: "VoxelCast") -> Boxes:
    """Cubes of a cast, and the log of its injection.

    Returns
    -------
    Boxes in mm, RAS, each with `arrival_volume_mL` and `filled_volume_mL` (-1: never),
    `saturation` (0 to 1), `volume_uL` within the wall, codes of structure, level and side, and the
    names of the codes. Field data has `log_*`, one value a step, for what is drawn from the files.
    """
    mesh, first = voxels.mesh, voxels.mesh.n_lines
    flow, grid = mesh.flow, mesh.grid
    shape = 2 + mesh.cube_place.max(axis=0)
    # z varies slowest in a cube's corners, x fastest
    steps = np.array([[k & 1, k >> 1 & 1, k >> 2] for k in range(8)])
    place = np.ravel_multi_index(tuple((mesh.cube_place[:, None] + steps).T), tuple(shape)).T
    points, corners = np.unique(place, return_inverse=True)
    xyz = np.stack(np.unravel_index(points, tuple(shape)), axis=1) - 0.5
    cell_data: dict[str, Values] = {}
    for name, values in (
        ("arrival_volume_mL", voxels.first_volume),
        ("filled_volume_mL", voxels.full_volume),
    ):
        reached = np.isfinite(values[first:])
        cell_data[name] = _single(np.where(reached, values[first:] / UL_PER_ML, NEVER))
    cell_data["saturation"] = _single(voxels.saturation[first:])
    cell_data["volume_uL"] = _single(flow.cell_volume[first:])
    labels = flow.cell_structure, flow.cell_level, flow.cell_side
    for (name, _), code in zip(_codes(), labels, strict=True):
        cell_data[f"{name}_code"] = code[first:].astype(np.int32)
    field_data = _tables() | _notes((*_VOXEL_NOTES, *_CAST_NOTES))
    field_data["spacing_mm"] = np.array([grid.spacing], dtype=np.float32)
    for column, (name, unit) in LOG.items():
        # a pause is a volume that stays the same: single precision would find more of them
        field_data[name] = voxels.injection.log[column] / unit
    return Boxes(
        points=_single(np.array(grid.origin) + grid.spacing * xyz),
        corners=corners.reshape(place.shape).astype(np.int32),
        cell_data=cell_data,
        field_data=field_data,
        shown="arrival_volume_mL",
    )


def surface_polydata(
    surface: "LumenSurface", arrival_volume_mL: FloatArray | None = None
) -> PolyTriangles:
    """Surface of the lumen as triangles.

    Parameters
    ----------
    surface : v vertices
    arrival_volume_mL : (v,) of :func:`castsim.cast_surface.arrival_volume_mL`, if there is a cast

    Returns
    -------
    Triangles in mm, RAS, with codes of structure, level and side, branch and arc of every vertex,
    the names of the codes, and `arrival_volume_mL` (-1: never).
    """
    labels = surface.structure, surface.level, surface.side
    point_data: dict[str, Values] = {
        f"{name}_code": code.astype(np.int32)
        for (name, _), code in zip(_codes(), labels, strict=True)
    }
    point_data["branch"] = surface.branch.astype(np.int32)
    point_data["arc_mm"] = _single(surface.arc)
    field_data = _tables() | _notes(_SURFACE_NOTES)
    field_data["spacing_mm"] = np.array([surface.spacing], dtype=np.float32)
    field_data["least_radius_mm"] = np.array([surface.least_radius], dtype=np.float32)
    shown = "structure_code"
    if arrival_volume_mL is not None:
        shown = "arrival_volume_mL"
        reached = np.isfinite(arrival_volume_mL)
        point_data[shown] = _single(np.where(reached, arrival_volume_mL, NEVER))
        field_data |= _notes(_CAST_NOTES[:1])
    return PolyTriangles(
        points=_single(surface.points),
        normals=_single(surface.normals),
        triangles=surface.triangles,
        point_data=point_data,
        field_data=field_data,
        shown=shown,
    )


def write_vtp(lines: PolyLines | PolyTriangles | Boxes, path: Path) -> None:
    """Write VTK XML, binary and compressed; equal input gives equal bytes."""
    path.write_text(lines.text(), encoding="utf-8")


def _radii(major: FloatArray, minor: FloatArray) -> dict[str, Values]:
    return {
        "Radius": _single(np.sqrt(major * minor)),
        "MaximumInscribedSphereRadius": _single(minor),
        "radius_major_mm": _single(major),
        "radius_minor_mm": _single(minor),
    }


def _codes() -> tuple[tuple[str, dict[int, str]], ...]:
    """What the codes of structure, level and side are called."""
    return (
        ("structure", {s.value: s.label for s in Structure}),
        ("level", {v.value: v.name for v in Level}),
        ("side", {s.value: s.name.lower() for s in Side}),
    )


def _tables() -> dict[str, Values]:
    tables: dict[str, Values] = {}
    for name, names in _codes():
        tables[f"{name}_codes"] = np.array(list(names), dtype=np.int32)
        tables[f"{name}_names"] = list(names.values())
    return tables


def _labels(network: VesselNetwork) -> tuple[dict[str, Values], dict[str, Values]]:
    """Codes and names of every branch, and the tables of what a code is called."""
    codes = network.branch_structure, network.branch_level, network.branch_side
    line_data: dict[str, Values] = {}
    for (name, names), code in zip(_codes(), codes, strict=True):
        line_data[f"{name}_code"] = code.astype(np.int32)
        line_data[name] = [names[value] for value in code.tolist()]
    line_data["branch"] = np.arange(network.n_branches, dtype=np.int32)
    return line_data, _tables()


def _notes(notes: tuple[tuple[str, str], ...]) -> dict[str, Values]:
    return {name: [text] for name, text in notes}


def _single(values: FloatArray) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)

"""Every vein as a centreline polyline in VTK's format, for ParaView and 3D Slicer.

A polyline is one branch of the network, a point one cell of the mesh on it; a cell that
several branches share at a junction is written once for each, as VMTK does. Quantities
that change along a vein are point arrays, labels are cell arrays.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from castsim.polylines import points_at
from castsim.units import UL_PER_ML
from geometry.levels import Level, Side
from geometry.network import FloatArray, IntArray, VesselNetwork
from geometry.structures import Structure

if TYPE_CHECKING:
    from castsim.cast import Cast

NEVER = -1.0
"""Value of every arrival array where agent never came: NaN breaks colour maps and thresholds."""

_NOTES = (
    ("SPACE", "RAS"),
    ("units", "coordinates, Radius and MaximumInscribedSphereRadius in mm; others in their names"),
    ("Radius", "radius of the circle that has the area of the elliptic lumen, mm"),
    ("MaximumInscribedSphereRadius", "minor semi-axis of the elliptic lumen, mm"),
    ("disclaimer", "Research and education, not a medical device"),
)
_CAST_NOTES = (
    ("never", f"{NEVER:g} in arrival_* and filled_* where agent never came"),
    ("arrival", "arrival_*: agent first enters the cell; filled_*: the cell is full of it"),
)


def network_polydata(network: VesselNetwork) -> pv.PolyData:
    """Veins of an anatomy as polylines.

    Parameters
    ----------
    network : b branches, p points

    Returns
    -------
    PolyData of b polylines and p points in mm, RAS, with the arrays `Radius`,
    `MaximumInscribedSphereRadius`, `radius_major_mm` and `radius_minor_mm` of every point
    and codes and names of structure, level and side of every branch.
    """
    lines = _polylines(network.point_xyz, network.point_offset)
    _add_radii(lines, network.point_radius, network.point_radius_minor)
    _add_labels(lines, network)
    _add_notes(lines, _NOTES)
    return lines


def cast_polydata(cast: "Cast") -> pv.PolyData:
    """Veins and cast as polylines, one point a cell of the mesh.

    To the arrays of :func:`network_polydata` come, for every point, `arrival_volume_mL`,
    `arrival_time_s`, `filled_volume_mL`, `filled_time_s` (-1: never), `saturation` and
    `solid_fraction` (0 to 1).
    """
    network = cast.anatomy.network
    cell = cast.mesh.polyline_cell
    offset = cast.mesh.polyline_offset
    flow = cast.mesh.flow
    xyz = [
        points_at(
            network.points(branch), cast.mesh.polyline_arc[offset[branch] : offset[branch + 1]]
        )
        for branch in range(network.n_branches)
    ]
    lines = _polylines(np.vstack(xyz), offset)
    _add_radii(lines, flow.cell_radius[cell], flow.cell_radius_minor[cell])
    _add_labels(lines, network)
    for name, values in (
        ("arrival_volume_mL", cast.first_volume / UL_PER_ML),
        ("arrival_time_s", cast.first_time),
        ("filled_volume_mL", cast.full_volume / UL_PER_ML),
        ("filled_time_s", cast.full_time),
    ):
        lines.point_data[name] = _single(np.where(np.isfinite(values), values, NEVER)[cell])
    lines.point_data["saturation"] = _single(cast.saturation[cell])
    lines.point_data["solid_fraction"] = _single(cast.solid_fraction[cell])
    lines.set_active_scalars("arrival_volume_mL")
    _add_notes(lines, (*_NOTES, *_CAST_NOTES))
    return lines


def write_vtp(lines: pv.PolyData, path: Path) -> None:
    """Write polylines as XML PolyData, binary and compressed; equal input gives equal bytes.

    VTK composes the text and Python writes it: on a full disk VTK's own writer ends the whole
    process with a segmentation fault.
    """
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(lines)
    writer.SetDataModeToBinary()
    writer.SetCompressorTypeToZLib()
    writer.WriteToOutputStringOn()
    writer.Write()
    path.write_text(writer.GetOutputString(), encoding="utf-8")


def _polylines(xyz: FloatArray, offset: IntArray) -> pv.PolyData:
    count = np.diff(offset)
    lines = np.insert(np.arange(offset[-1]), offset[:-1], count)
    # lines= keeps PyVista from adding a vertex cell for every point.
    return pv.PolyData(_single(xyz), lines=lines)


def _add_radii(lines: pv.PolyData, major: FloatArray, minor: FloatArray) -> None:
    lines.point_data["Radius"] = _single(np.sqrt(major * minor))
    lines.point_data["MaximumInscribedSphereRadius"] = _single(minor)
    lines.point_data["radius_major_mm"] = _single(major)
    lines.point_data["radius_minor_mm"] = _single(minor)


def _add_labels(lines: pv.PolyData, network: VesselNetwork) -> None:
    codes: tuple[tuple[str, IntArray, dict[int, str]], ...] = (
        ("structure", network.branch_structure, {s.value: s.label for s in Structure}),
        ("level", network.branch_level, {v.value: v.name for v in Level}),
        ("side", network.branch_side, {s.value: s.name.lower() for s in Side}),
    )
    for name, code, names in codes:
        lines.cell_data[f"{name}_code"] = code.astype(np.int32)
        lines.cell_data[name] = [names[int(value)] for value in code]
        lines.field_data[f"{name}_codes"] = np.array(list(names), dtype=np.int32)
        lines.field_data[f"{name}_names"] = list(names.values())
    lines.cell_data["branch"] = np.arange(network.n_branches, dtype=np.int32)


def _add_notes(lines: pv.PolyData, notes: tuple[tuple[str, str], ...]) -> None:
    for name, text in notes:
        lines.field_data[name] = [text]


def _single(values: FloatArray) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)

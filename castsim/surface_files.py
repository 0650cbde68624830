"""Files of a surface of the lumen: STL for printing, PLY, and VTP with the labels of its vertices.

All are binary, in mm and RAS, and say so where 3D Slicer looks for it (it takes a file without
``SPACE=RAS`` for LPS and would mirror it).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from castsim.schema import DISCLAIMER
from castsim.vtp import surface_polydata, write_vtp
from geometry.network import FloatArray

if TYPE_CHECKING:
    from geometry.surface import LumenSurface

SUFFIXES = (".stl", ".ply", ".vtp")

_STL_HEADER_BYTES = 80
_STL_NOTE = "castsim SPACE=RAS UNIT=mm. Research and education only, no device."
_STL_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
_PLY_VERTEX = np.dtype(
    [
        ("xyz", "<f4", 3), ("normal", "<f4", 3), ("structure", "<i4"), ("level", "<i4"),
        ("side", "<i4"), ("branch", "<i4"), ("arc", "<f4"),
    ]
)  # fmt: skip
_PLY_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def surface_bytes(
    surface: "LumenSurface", path: Path, arrival_volume_mL: FloatArray | None = None
) -> None:
    """Write a surface in the format that the name of the file asks for.

    Parameters
    ----------
    arrival_volume_mL : (v,) for VTP, inf: never
    """
    if path.suffix.lower() == ".stl":
        path.write_bytes(_stl(surface))
    elif path.suffix.lower() == ".ply":
        path.write_bytes(_ply(surface))
    else:
        write_vtp(surface_polydata(surface, arrival_volume_mL), path)


def _stl(surface: "LumenSurface") -> bytes:
    """Binary STL: a header that must not begin with "solid", a count, facets with normals."""
    corners = surface.points.astype(np.float32)[surface.triangles]
    facets = np.zeros(len(corners), dtype=_STL_FACET)
    facets["corners"] = corners
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.sqrt(np.einsum("ti,ti->t", normal, normal))[:, None]
    # the normal of a sliver may be lost in round-off: 0 asks the reader to work it out
    facets["normal"] = np.divide(normal, size, out=np.zeros_like(normal), where=size > 0)
    header = _STL_NOTE.encode("ascii").ljust(_STL_HEADER_BYTES)
    return header + np.uint32(len(facets)).tobytes() + facets.tobytes()


def _ply(surface: "LumenSurface") -> bytes:
    """Binary PLY with the labels of every vertex as properties."""
    vertices = np.zeros(len(surface.points), dtype=_PLY_VERTEX)
    vertices["xyz"], vertices["normal"] = surface.points, surface.normals
    for name in ("structure", "level", "side", "branch", "arc"):
        vertices[name] = getattr(surface, name)
    faces = np.zeros(len(surface.triangles), dtype=_PLY_FACE)
    faces["count"], faces["corners"] = 3, surface.triangles
    head = "\n".join(
        (
            "ply", "format binary_little_endian 1.0", "comment SPACE=RAS",
            "comment coordinates and arc in mm", f"comment {DISCLAIMER}",
            f"element vertex {len(vertices)}",
            *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
            *(f"property int {name}" for name in ("structure", "level", "side", "branch")),
            "property float arc", f"element face {len(faces)}",
            "property list uchar int vertex_indices", "end_header", "",
        )
    )  # fmt: skip
    return head.encode("ascii") + vertices.tobytes() + faces.tobytes()

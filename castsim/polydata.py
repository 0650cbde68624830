"""Lines, triangles and cubes with arrays on them, as the text of a VTK XML file (.vtp, .vtu).

Written without VTK, whose modules take longer to load than a cast takes to write.
Format: "VTK XML File Formats" (docs.vtk.org): binary arrays in base64, zlib-compressed in blocks.
"""

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating] | NDArray[np.int32] | NDArray[np.uint8] | Sequence[str]
"""Numbers, or one text each."""

BLOCK_BYTES = 32768
"""Bytes compressed together: what VTK itself takes."""
FAST = 1
"""Level of zlib: files 3 % larger than at its default level, in a third of the time."""
_TYPES = {
    "float32": "Float32",
    "float64": "Float64",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
}
_HEAD = (
    '<?xml version="1.0"?>\n'
    '<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian" header_type="UInt32"'
    ' compressor="vtkZLibDataCompressor">\n<PolyData>\n'
)
_TAIL = "</Piece>\n</PolyData>\n</VTKFile>\n"
VOXEL = 11
"""VTK's number of a box along the axes; its corners count x fastest, z slowest."""


@dataclass(frozen=True)
class PolyLines:
    """b polylines through p points.

    Attributes
    ----------
    points : (p, 3) mm; the points of polyline i are `offset[i]` to `offset[i + 1]`
    offset : (b+1,) from 0 to p
    point_data, line_data : arrays of p and of b values by name
    field_data : arrays of any length by name
    shown : array of the points that a viewer colours first, if any
    """

    points: NDArray[np.float32]
    offset: NDArray[np.int64]
    point_data: Mapping[str, Values]
    line_data: Mapping[str, Values]
    field_data: Mapping[str, Values]
    shown: str | None = None

    def text(self) -> str:
        """Content of the file; equal data give equal text."""
        return "".join([_HEAD, *self._parts(), _TAIL])

    def _parts(self) -> Iterator[str]:
        yield from _section("FieldData", self.field_data, counted=True)
        chosen = "" if self.shown is None else f' Scalars="{escape(self.shown)}"'
        count = f'NumberOfPoints="{len(self.points)}" NumberOfLines="{len(self.offset) - 1}"'
        yield f'<Piece {count} NumberOfVerts="0" NumberOfStrips="0" NumberOfPolys="0">\n'
        yield from _section("PointData", self.point_data, attributes=chosen)
        yield from _section("CellData", self.line_data)
        yield from _section("Points", {"Points": self.points})
        yield from _section(
            "Lines", {"connectivity": np.arange(self.offset[-1]), "offsets": self.offset[1:]}
        )


@dataclass(frozen=True)
class PolyTriangles:
    """t triangles over p points.

    Attributes
    ----------
    points : (p, 3) mm
    normals : (p, 3)
    triangles : (t, 3) indices of points
    point_data : arrays of p values by name
    field_data : arrays of any length by name
    shown : array of the points that a viewer colours first, if any
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int64]
    point_data: Mapping[str, Values]
    field_data: Mapping[str, Values]
    shown: str | None = None

    def text(self) -> str:
        """Content of the file; equal data give equal text."""
        return "".join([_HEAD, *self._parts(), _TAIL])

    def _parts(self) -> Iterator[str]:
        yield from _section("FieldData", self.field_data, counted=True)
        chosen = "" if self.shown is None else f' Scalars="{escape(self.shown)}"'
        count = f'NumberOfPoints="{len(self.points)}" NumberOfPolys="{len(self.triangles)}"'
        yield f'<Piece {count} NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0">\n'
        point_data = {"Normals": self.normals, **self.point_data}
        yield from _section("PointData", point_data, attributes=f' Normals="Normals"{chosen}')
        yield from _section("Points", {"Points": self.points})
        offsets = np.arange(3, 3 * len(self.triangles) + 1, 3)
        yield from _section("Polys", {"connectivity": self.triangles.ravel(), "offsets": offsets})


@dataclass(frozen=True)
class Boxes:
    """c boxes along the axes, over p corners.

    Attributes
    ----------
    points : (p, 3) mm
    corners : (c, 8) indices of points, x fastest, z slowest
    cell_data : arrays of c values by name
    field_data : arrays of any length by name
    shown : array of the boxes that a viewer colours first
    """

    points: NDArray[np.float32]
    corners: NDArray[np.int32]
    cell_data: Mapping[str, Values]
    field_data: Mapping[str, Values]
    shown: str

    def text(self) -> str:
        """Content of the file; equal data give equal text."""
        head, tail = (part.replace("PolyData", "UnstructuredGrid") for part in (_HEAD, _TAIL))
        return "".join([head, *self._parts(), tail])

    def _parts(self) -> Iterator[str]:
        yield from _section("FieldData", self.field_data, counted=True)
        count = len(self.corners)
        yield f'<Piece NumberOfPoints="{len(self.points)}" NumberOfCells="{count}">\n'
        chosen = f' Scalars="{escape(self.shown)}"'
        yield from _section("CellData", self.cell_data, attributes=chosen)
        yield from _section("Points", {"Points": self.points})
        cells: dict[str, Values | NDArray[np.int64]] = {
            "connectivity": self.corners.ravel(),
            "offsets": np.arange(8, 8 * count + 1, 8),
            "types": np.full(count, VOXEL, dtype=np.uint8),
        }
        yield from _section("Cells", cells)


def _section(
    name: str,
    arrays: Mapping[str, Values | NDArray[np.int64]],
    *,
    attributes: str = "",
    counted: bool = False,
) -> Iterator[str]:
    """One group of arrays; only those of field data say how long they are."""
    yield f"<{name}{attributes}>\n"
    for key, values in arrays.items():
        label = f'Name="{escape(key)}"'
        if counted:
            label += f' NumberOfTuples="{len(values)}"'
        if isinstance(values, np.ndarray):
            if values.ndim > 1:
                label += f' NumberOfComponents="{values.shape[1]}"'
            tag, kind = "DataArray", _TYPES[values.dtype.name]
            content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        else:
            tag, kind = "Array", "String"
            content = "".join(f"{value}\0" for value in values).encode()
        yield f'<{tag} type="{kind}" {label} format="binary">\n{_packed(content)}\n</{tag}>\n'
    yield f"</{name}>\n"


def _packed(content: bytes) -> str:
    """Sizes of the blocks, then the blocks, each part in base64."""
    blocks = [content[i : i + BLOCK_BYTES] for i in range(0, len(content), BLOCK_BYTES)]
    packed = [zlib.compress(block, FAST) for block in blocks]
    rest = len(content) % BLOCK_BYTES  # 0: the last block is full
    sizes = [len(blocks), BLOCK_BYTES, rest, *map(len, packed)]
    head = struct.pack(f"<{len(sizes)}I", *sizes)
    return (base64.b64encode(head) + base64.b64encode(b"".join(packed))).decode()

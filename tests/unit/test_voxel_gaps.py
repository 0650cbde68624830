"""What of the centreline mesh cubes would lose, on a few cells whose cubes are set by hand."""

import numpy as np

from geometry.centerline_mesh import CentrelineMesh
from geometry.cubes import Passages
from geometry.flowmesh import FlowMesh
from geometry.voxel_gaps import Gaps

SPACING = 0.5
NARROW = 0
"""Face from the one wide vein to the other."""


def gaps(room: list[float]) -> Gaps:
    """Of two wide veins (cells 0 and 1), joined by a narrow vein without cells and by a wide one.

    The wide one (cell 2) has a side branch that stays a line (cell 3); the cubes of 0 and 1 touch
    those of 2 and not each other::

        0 ─ narrow ─ 1
         ╲          ╱
          ─── 2 ───
              │
              3

    `room`: share of its volume that each of the cells 0 to 2 has in cubes of its own.
    """
    none = np.zeros(0, dtype=np.int64)
    flow = FlowMesh.from_arrays(
        cell_volume=np.full(4, SPACING**3),
        cell_radius=[1.0, 1.0, 0.6, 0.2],
        face_owner=[0, 0, 1, 2],
        face_neighbour=[1, 2, 2, 3],
        terminal_cell=[3],
        cell_branch=[0, 1, 2, 3],
    )
    lines = CentrelineMesh(
        flow=flow,
        cell_arc=np.zeros(4),
        polyline_offset=np.arange(5),
        polyline_cell=np.arange(4),
        polyline_arc=np.zeros(4),
        tip_cell=-1,
        route_cells=none,
        distended_cells=none,
    )
    lumens = Passages(
        spacing=SPACING,
        place=np.zeros((3, 3), dtype=np.int64),
        share=np.array(room),
        psi=np.ones(3),
        owner=np.array([0, 1]),
        neighbour=np.array([2, 2]),
        passes=np.ones(2),
    )
    return Gaps.of(lines, np.array([True, True, True, False]), lumens, np.arange(3))


def test_cubes_go_round_by_a_vein_of_cubes() -> None:
    found = gaps([1.0, 1.0, 1.0])
    assert not len(found.cells)
    assert not len(found.faces)


def test_no_cubes_go_round_by_a_vein_that_stays_a_line() -> None:
    """It lies in others for the most part, so its cubes will be theirs: the narrow one is lost."""
    found = gaps([1.0, 1.0, 0.4])
    assert found.cells.tolist() == [2]
    assert found.faces.tolist() == [NARROW]

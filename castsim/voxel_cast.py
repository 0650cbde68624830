"""What an injection left in every cube, and what that comes to on the centreline mesh."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from castsim.blood_solver import sum_by
from castsim.drawn import Cells
from castsim.filled import Filled
from castsim.holding import CubesHold
from castsim.injection import Injection
from geometry.anatomy import Anatomy
from geometry.coverage import RootCoverage, root_coverage
from geometry.flowmesh import FloatArray, IntArray
from geometry.levels import Level, Side
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh

BALL_RADIUS = (3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
"""Radius of the ball that holds as much as a cube, in sides of the cube (0.62)."""


@dataclass(frozen=True)
class VoxelCast(Filled):
    """Arrays over the cells of the voxel mesh of the whole spine, as those of a `Cast`.

    Attributes
    ----------
    mesh : lines first, then cubes
    coverage : arcs of foraminal cubes and line cells about the target root
    line_volume : (c,) mm3, of the cells of the centreline mesh; of their cubes, where they have any
    """

    mesh: VoxelMesh
    coverage: RootCoverage
    line_volume: FloatArray

    @cached_property
    def cells(self) -> Cells:
        """Lines and cubes, as they filled."""
        flow = self.mesh.flow
        return Cells(
            flow.cell_centroid, flow.cell_volume, flow.cell_structure, self.history, self.coverage
        )

    def saturation_at(self, volume: float) -> FloatArray:
        """Share of every cell that is agent when `volume` (mm3) has left the tip, (n,)."""
        return self.history.saturation_at(volume)

    def holding_at(self, volume: float) -> CubesHold:
        """What the cubes held when `volume` (mm3) had left the tip."""
        grid, share = self.mesh.grid, self.saturation_at(volume)[self.mesh.n_lines :]
        return CubesHold(np.array(grid.origin), grid.spacing, self.mesh.cube_place, share)

    @cached_property
    def is_cubes(self) -> NDArray[np.bool_]:
        """Cells of the centreline mesh that are cubes here, or too short for any, (c,)."""
        found = np.ones(len(self.line_volume), dtype=bool)
        found[self.mesh.line_cell[: self.mesh.n_lines]] = False
        return found

    def on_lines(self, share: FloatArray) -> FloatArray:
        """Mean over each section, (c,), of the shares (n,) of cells; 1 exactly if all are."""
        of, count = self.mesh.line_cell, len(self.line_volume)
        lacking = np.bincount(of, (1.0 - share) * self.mesh.flow.cell_volume, count)
        bare = np.bincount(of, minlength=count) == 0
        return np.where(bare, 0.0, 1.0 - lacking / self.line_volume)

    def least(self, values: FloatArray) -> FloatArray:
        """Least value of each section, (c,); inf where there is no cell."""
        return self._extreme(values, np.minimum, np.inf)

    def most(self, values: FloatArray) -> FloatArray:
        """Largest value of each section, (c,); inf where there is no cell."""
        found = self._extreme(values, np.maximum, -np.inf)
        return np.where(np.isneginf(found), np.inf, found)

    def total(self, values: FloatArray) -> FloatArray:
        """Sum over each section, (c,)."""
        return sum_by(self.mesh.line_cell, values, len(self.line_volume))

    def _extreme(self, values: FloatArray, take: np.ufunc, nothing: float) -> FloatArray:
        found = np.full(len(self.line_volume), nothing)
        take.at(found, self.mesh.line_cell, values)
        return found


def voxel_cast(
    mesh: VoxelMesh,
    line_volume: FloatArray,
    window: IntArray,
    injection: Injection,
    coverage: RootCoverage,
) -> VoxelCast:
    """Spread the result of an injection on the `window` (k,) over all cells of a voxel mesh.

    Parameters
    ----------
    line_volume : (c,) mm3, of the cells of the centreline mesh
    """
    flow = mesh.flow
    of = np.bincount(mesh.line_cell, flow.cell_volume, len(line_volume))
    return VoxelCast.spread(
        flow.n_cells,
        window,
        injection,
        mesh=mesh,
        coverage=coverage,
        line_volume=np.where(of > 0.0, of, line_volume),
    )


def voxel_coverage(anatomy: Anatomy, mesh: VoxelMesh, root: Level, side: Side) -> RootCoverage:
    """Arcs of the foraminal cells of one root about its sleeve; a cube counts as a ball."""
    flow = mesh.flow
    cell = np.flatnonzero(
        (flow.cell_structure == Structure.FORAMINAL)
        & (flow.cell_level == root)
        & (flow.cell_side == side)
    )
    ball: NDArray[np.bool_] = cell >= mesh.n_lines
    size = BALL_RADIUS * mesh.grid.spacing
    return root_coverage(
        anatomy.skeleton.root_sleeve(root, side),
        cell,
        flow.cell_centroid[cell],
        np.where(ball, size, flow.cell_radius[cell]),
        np.where(ball, size, flow.cell_radius_minor[cell]),
    )

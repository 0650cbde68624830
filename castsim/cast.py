"""The cast: what one injection left on the whole spine, and every curve read from it.

First and full volumes of the cells and the log of the run are enough for any volume: a cell fills
linearly between the two, so a cast at volume V is a threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from castsim.history import History
from castsim.holding import Holding
from castsim.injection import Injection
from castsim.kernels.laws import shell_fraction
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh
from geometry.coverage import RootCoverage, root_coverage
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

if TYPE_CHECKING:
    from castsim.scenario import Scenario
    from castsim.venous_flow import VenousFlow
    from castsim.voxel_cast import VoxelCast

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cast:
    """One simulated injection. Research and education, not a medical device.

    Arrays run over the cells of the whole spine; volumes in mm3 (= uL), inf: never.

    Attributes
    ----------
    scenario : resolved; running it again gives this cast again
    seed : of the gates' disorder
    version : of castsim
    anatomy, mesh, rest : the patient, the flow mesh with catheter, the resting flow
    first_volume, full_volume : (n,) mm3 out of the tip when agent came, and when it filled the cell
    first_time, full_time : (n,) s after the first push of agent
    saturation : (n,) share of the cell's volume that is agent at the end
    solid_fraction : (n,) share of the lumen that has gelled at the end, 0 without agent
    swept_volume : (n,) mm3 of agent that blood carried off from the cell
    first_swept : (n,) mm3 out of the tip when that began
    window : (k,) cells of the whole spine that the injection ran on
    injection : balances, log, stop reason and what else the run tells (on its window of cells)
    timing : s of wall clock for geometry, mesh, flow and injection
    voxels : the same of every cube, where the injection ran on some; a cell of which they are part
        then has their volume in `mesh`, is reached when the first of them is, and full when all are
    """

    scenario: "Scenario"
    seed: int
    version: str
    anatomy: Anatomy
    mesh: CentrelineMesh
    rest: "VenousFlow"
    first_volume: FloatArray
    full_volume: FloatArray
    first_time: FloatArray
    full_time: FloatArray
    saturation: FloatArray
    solid_fraction: FloatArray
    swept_volume: FloatArray
    first_swept: FloatArray
    window: IntArray
    injection: Injection
    timing: Mapping[str, float]
    voxels: "VoxelCast | None" = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def injected(self) -> float:
        """Agent out of the tip, mm3."""
        return self.injection.injected

    @cached_property
    def coverage(self) -> RootCoverage:
        """Arcs of the foraminal cells (or cubes) about the target root."""
        if self.voxels is not None:
            return self.voxels.coverage
        target = self.scenario.target
        return foramen_coverage(self.anatomy, self.mesh, target.root, target.side_code)

    def saturation_at(self, volume: float) -> FloatArray:
        """Share of every cell that is agent when `volume` (mm3) has left the tip, (n,)."""
        if self.voxels is not None:
            return self.voxels.on_lines(self.voxels.saturation_at(volume))
        return self._history.saturation_at(volume)

    def holding_at(self, volume: float) -> Holding:
        """What the veins held when `volume` (mm3) had left the tip."""
        share = self.saturation_at(volume)
        total = float(share @ self.mesh.flow.cell_volume)
        cubes = None if self.voxels is None else self.voxels.holding_at(volume)
        return Holding(share, total, cubes)

    @cached_property
    def _history(self) -> History:
        return History(
            self.first_volume,
            self.full_volume,
            self.saturation,
            self.injection.tears,
            self.window,
            self.injected,
        )

    def full_at(self, volume: float) -> NDArray[np.bool_]:
        """Cells that agent fills when `volume` (mm3) has left the tip, (n,)."""
        return self.saturation_at(volume) >= 1.0

    def coverage_at(self, volume: float, station: int | None = None) -> float:
        """Degrees of the target root wrapped by `volume` (mm3), in one third or in all."""
        if self.voxels is not None:
            return self.coverage.degrees(self.voxels.saturation_at(volume) >= 1.0, station)
        return self.coverage.degrees(self.full_at(volume), station)

    @property
    def coverable(self) -> float:
        """Degrees of the target root that are wrapped when every foraminal vein is full."""
        everything = np.ones(len((self.voxels or self).first_volume), dtype=bool)
        return self.coverage.degrees(everything)

    def log_at(self, column: str, volume: FloatArray) -> FloatArray:
        """A cumulative column of the log at injected volumes, mm3."""
        log = self.injection.log
        return np.interp(volume, log["volume"], log[column])

    def in_compartment(self, *compartments: Compartment) -> NDArray[np.bool_]:
        """Cells of these compartments, (n,)."""
        return in_compartment(self.mesh, *compartments)


def in_compartment(mesh: CentrelineMesh, *compartments: Compartment) -> NDArray[np.bool_]:
    """Cells of a mesh that belong to these compartments, (n,)."""
    codes = [s.value for s in Structure if s.compartment in compartments]
    return np.isin(mesh.flow.cell_structure, codes)


def foramen_coverage(
    anatomy: Anatomy, mesh: CentrelineMesh, root: Level, side: Side
) -> RootCoverage:
    """Arcs of the foraminal cells of one root about its sleeve."""
    flow = mesh.flow
    cell = np.flatnonzero(
        (flow.cell_structure == Structure.FORAMINAL)
        & (flow.cell_level == root)
        & (flow.cell_side == side)
    )
    return root_coverage(
        anatomy.skeleton.root_sleeve(root, side),
        cell,
        flow.cell_centroid[cell],
        flow.cell_radius[cell],
        flow.cell_radius_minor[cell],
    )


def solid_share(gel: FloatArray, annular: NDArray[np.bool_]) -> FloatArray:
    """Share of the lumen that has gelled: the shell's area, or its part of the gap."""
    shell = np.array([shell_fraction(f, ring) for f, ring in zip(gel, annular, strict=True)])
    open_part = 1.0 - shell
    return np.where(annular, 1.0 - open_part, 1.0 - open_part**2)

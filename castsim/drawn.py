"""A cast as pictures, fluoroscopy and its page see it: just run, or read from its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from castsim.history import History
from castsim.holding import Holding
from geometry.coverage import RootCoverage
from geometry.structures import Compartment, Structure

if TYPE_CHECKING:
    from castsim.scenario import Scenario
    from castsim.venous_flow import VenousFlow
    from geometry.anatomy import Anatomy
    from geometry.centerline_mesh import CentrelineMesh

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_SATURATION = 0.5
"""A cell that holds less agent is not shown as cast."""


@dataclass(frozen=True)
class Cells:
    """Cells that agent fills one by one: those of the centreline mesh, or some of them and cubes.

    Attributes
    ----------
    centre : (n, 3) mm
    volume : (n,) mm3
    structure : (n,) codes
    history : of all of them
    coverage : arcs of the foraminal ones about the target root
    """

    centre: FloatArray
    volume: FloatArray
    structure: IntArray
    history: History
    coverage: RootCoverage

    @property
    def first_volume(self) -> FloatArray:
        """When agent came, (n,) mm3 out of the tip; inf: never."""
        return self.history.first

    @property
    def saturation(self) -> FloatArray:
        """Share of each cell that is agent at the end, (n,)."""
        return self.history.saturation

    def saturation_at(self, volume: float) -> FloatArray:
        """Share of each cell that is agent when `volume` (mm3) has left the tip, (n,)."""
        return self.history.saturation_at(volume)

    def coverage_at(self, volume: float, station: int | None = None) -> float:
        """Degrees of the target root wrapped by `volume` (mm3), in one third or in all."""
        return self.coverage.degrees(self.saturation_at(volume) >= 1.0, station)

    @property
    def coverable(self) -> float:
        """Degrees of the target root that are wrapped when every foraminal vein is full."""
        return self.coverage.degrees(np.ones(len(self.volume), dtype=bool))

    def in_compartment(self, *compartments: Compartment) -> BoolArray:
        """Cells of these compartments, (n,)."""
        codes = [s.value for s in Structure if s.compartment in compartments]
        return np.isin(self.structure, codes)


class DrawnCast(Protocol):
    """What is read of a cast that is drawn; names as in :class:`castsim.cast.Cast`."""

    @property
    def scenario(self) -> "Scenario":
        """Resolved."""

    @property
    def anatomy(self) -> "Anatomy":
        """The patient."""

    @property
    def mesh(self) -> "CentrelineMesh":
        """Centreline mesh of n cells, with the catheter."""

    @property
    def rest(self) -> "VenousFlow":
        """Resting flow."""

    @property
    def catheter(self) -> FloatArray:
        """Points (m, 3) mm of the catheter as it is drawn, from its tip to the groin."""

    @property
    def injected(self) -> float:
        """Agent out of the tip, mm3."""

    @property
    def first_volume(self) -> FloatArray:
        """When agent came to each cell of the mesh, (n,) mm3 out of the tip; inf: never."""

    @property
    def saturation(self) -> FloatArray:
        """Share of each cell of the mesh that is agent at the end, (n,)."""

    @property
    def is_cubes(self) -> BoolArray:
        """Cells of the mesh that are cubes, (n,)."""

    @property
    def cells(self) -> Cells:
        """Cells that filled one by one."""

    @property
    def log(self) -> Mapping[str, FloatArray]:
        """Columns of the log, one row a step."""

    @property
    def stop_reason(self) -> str:
        """Why the injection ended."""

    def holding_at(self, volume: float) -> Holding:
        """What the veins held when `volume` (mm3) had left the tip."""


def log_at(cast: DrawnCast, column: str, volume: FloatArray) -> FloatArray:
    """A cumulative column of the log at injected volumes, mm3."""
    return np.interp(volume, cast.log["volume"], cast.log[column])

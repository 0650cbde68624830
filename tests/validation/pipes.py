"""Small networks of pipes for bench experiments, and the conditions that are drawn for them."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from castsim.agents import AgentModel
from castsim.blood_solver import BloodSolver, face_flow
from castsim.catheters import Catheter
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import Draw, drawn_priors, drawn_scenario, draws
from castsim.ensembles.study import Study, load_arm
from castsim.injection import TipSource
from geometry.branch_sections import annulus_resistance, ellipse_resistance
from geometry.flowmesh import FlowMesh

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass
class Pipes:
    """Cells and faces of a network under construction."""

    volume: list[float] = field(default_factory=list)
    radius: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    neighbour: list[int] = field(default_factory=list)

    def cell(self, calibre: float, length: float, *, gap: float = 0.0) -> int:
        """A piece of vessel, with a catheter in it where there is a gap."""
        radius = calibre / 2
        inner = radius - gap if gap else 0.0
        self.volume.append(np.pi * (radius**2 - inner**2) * length)
        self.radius.append(radius)
        self.gap.append(gap)
        return len(self.volume) - 1

    def pipe(
        self, start: int, calibre: float, length: float, *, gap: float = 0.0, stop: int = -1
    ) -> list[int]:
        """Cells of a vessel from `start` (to `stop`), each about as long as it is wide."""
        count = max(2, 2 * round(length / calibre / 2))
        cells = [self.cell(calibre, length / count, gap=gap) for _ in range(count)]
        for one, other in zip([start, *cells[:-1]], cells, strict=True):
            self.join(one, other)
        if stop >= 0:
            self.join(cells[-1], stop)
        return cells

    def join(self, one: int, other: int) -> None:
        """A face between two cells."""
        self.owner.append(one)
        self.neighbour.append(other)

    def mesh(self, ends: list[int], pressures: list[float], **given: object) -> FlowMesh:
        """As a flow mesh; lumens are circles or concentric rings."""
        volume, radius, gap = (np.array(v) for v in (self.volume, self.radius, self.gap))
        owner, neighbour = np.array(self.owner), np.array(self.neighbour)
        ringed = gap > 0
        inner = np.where(ringed, radius - gap, 0.0)
        half = ellipse_resistance(radius, radius)
        half[ringed] = annulus_resistance(radius[ringed], inner[ringed])
        half *= 0.5 * volume / (np.pi * (radius**2 - inner**2))
        return FlowMesh.from_arrays(
            cell_volume=volume,
            cell_radius=radius,
            cell_gap=gap,
            face_owner=owner,
            face_neighbour=neighbour,
            half_resistance=np.column_stack([half[owner], half[neighbour]]),
            terminal_cell=ends,
            terminal_pressure=pressures,
            **given,  # type: ignore[arg-type]
        )


def source(catheter: Catheter, agent: AgentModel, tip: int) -> TipSource:
    """The catheter as the network sees it."""
    return TipSource(
        tip,
        catheter.resistance(agent.viscosity),
        catheter.hub_compliance,
        catheter.hub_pressure_limit,
        catheter.dead_space,
    )


def resting_flow(mesh: FlowMesh, viscosity: float) -> FloatArray:
    """Blood through each cell before agent comes, uL/s, (n,)."""
    rest = BloodSolver(mesh).solve(mesh, np.full(mesh.n_cells, viscosity))
    flow = np.abs(face_flow(mesh, rest))
    through = np.zeros(mesh.n_cells)
    np.maximum.at(through, mesh.face_owner, flow)
    np.maximum.at(through, mesh.face_neighbour, flow)
    return through


def condition(agents: tuple[str, ...], number: int) -> tuple[Draw, dict[str, AgentModel]]:
    """A draw, and the agents in it, with the same quantiles of their priors."""
    study = _agents(agents)
    (draw,) = draws(study, number, number + 1)
    drawn = {}
    for name, arm in study.arms.items():
        priors = drawn_priors(arm, study.priors)
        drawn[name] = drawn_scenario(arm, priors, draw, study.largest_mL)[0].agent_model()
    return draw, drawn


@cache
def _agents(names: tuple[str, ...]) -> Study:
    arms = {name: load_arm("right-t9", [f'agent="{name}"']) for name in names}
    return Study(arms, bundled_priors())
